//! Blocks of addresses, such as those of the proxies in front of the service.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A block of IPv4 or IPv6 addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

/// The text was not a block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a block of addresses such as 10.0.0.0/8 or fd00::/8, with no bits set behind the prefix")]
pub struct InvalidCidr;

impl Cidr {
    /// The block's first address.
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// How many leading bits all its addresses share.
    pub const fn prefix(&self) -> u8 {
        self.length
    }

    /// Whether the address lies in the block. An IPv4 address that arrives mapped into IPv6, as it does at a socket
    /// that listens on both, counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = mask(self.length, 32);
                u128::from(address.to_bits()) & mask == u128::from(network.to_bits())
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                address.to_bits() & mask(self.length, 128) == network.to_bits()
            }
            _ => false,
        }
    }
}

/// The leading `length` of `width` bits.
fn mask(length: u8, width: u8) -> u128 {
    let all = u128::MAX >> (128 - u32::from(width));
    match width - length {
        128 => 0,
        behind => (all >> behind) << behind,
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| InvalidCidr)?;
        // A block of mapped addresses would never match: addresses are compared in their own family.
        if network != network.to_canonical() {
            return Err(InvalidCidr);
        }
        let (width, bits) = match network {
            IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (128, v6.to_bits()),
        };
        let length = match length {
            None => width,
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| InvalidCidr)?
            }
            Some(_) => return Err(InvalidCidr),
        };
        // Bits behind the prefix are most often a slip that trusts more, or others, than was meant.
        if length > width || bits & mask(length, width) != bits {
            return Err(InvalidCidr);
        }
        Ok(Self { network, length })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Cidr {
        text.parse().expect("a block")
    }

    #[track_caller]
    fn holds(text: &str, address: &str) -> bool {
        block(text).contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_block_holds_its_addresses_and_no_others() {
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.168.4.0/22", "192.168.7.255"));
        assert!(!holds("192.168.4.0/22", "192.168.8.0"));
        assert!(holds("127.0.0.1", "127.0.0.1"));
        assert!(!holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(holds("fd00::/8", "fd12:3456::1"));
        assert!(!holds("fd00::/8", "fe80::1"));
        assert!(holds("::1", "::1"));
        assert!(!holds("::1/128", "::2"));
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn families_do_not_mix_except_for_mapped_addresses() {
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(!holds("::/0", "127.0.0.1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!holds("::/0", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_not_a_block_is_refused() {
        for text in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.1/8",
            "::1/64",
            "::/129",
            "10.0.0/8",
            "localhost",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.0/104",
            " 10.0.0.0/8",
            "10.0.0.0/256",
            "10.0.0.0/1000",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(InvalidCidr), "{text}");
        }
    }

    #[test]
    fn a_block_prints_as_it_is_written() {
        for text in ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0"] {
            assert_eq!(block(text).to_string(), text);
        }
        assert_eq!(block("127.0.0.1").to_string(), "127.0.0.1/32");
    }
}
