//! Random histories of people, purposes and lists: in the end both sides agree, and at no rest on the way is anybody
//! active on a list without a purpose that holds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{field, held, is_active, keep, ready, stop, yes};
use crate::remap::{purpose_id, until_in_step};
use crate::support::TestApp;
use crate::support::world::{LIST, OTHER_LIST, Shop, World, eventually};

const PURPOSES: [&str; 3] = ["newsletter", "offers", "events"];
const PEOPLE: [&str; 4] = ["ana@example.org", "ben@example.org", "cy@example.org", "dee@example.org"];
const ACTS: usize = 60;

/// Numbers that look random and are the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    pub fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// What is kept where.
type Pairs = Vec<(&'static str, String)>;

fn any_pairs(dice: &mut Dice, lists: &[String]) -> Pairs {
    let all = PURPOSES.into_iter().flat_map(|purpose| lists.iter().map(move |list| (purpose, list.clone())));
    all.collect::<Vec<_>>().into_iter().filter(|_| dice.below(2) == 0).collect()
}

/// Waits until both sides agree about everybody on every list; gives how many are active, and how many are held back.
async fn agreed(app: &TestApp, world: &World, lists: &[String], pairs: &Pairs) -> (usize, usize) {
    until_in_step(app).await;
    let mut kept: BTreeMap<&str, Vec<&str>> = lists.iter().map(|list| (list.as_str(), Vec::new())).collect();
    for (purpose, list) in pairs {
        kept.get_mut(list.as_str()).unwrap().push(purpose);
    }
    let differs = async || -> Result<(usize, usize), String> {
        let (mut active, mut back) = (0, 0);
        for address in PEOPLE {
            let Some(view) = known(app, address).await else { continue };
            let holds = held(app, address).await;
            for (list, purposes) in &kept {
                let mut here: Vec<&str> = purposes.iter().copied().filter(|p| holds.iter().any(|h| h == p)).collect();
                here.sort_by_key(|slug| PURPOSES.iter().position(|known| known == slug));
                let there = is_active(world, list, address);
                let on_record = view["destinations"].as_array().unwrap().iter().find(|state| state["list_id"] == *list);
                let kept_back = on_record.is_some_and(|state| !state["last_error"].is_null());
                match (here.is_empty(), there) {
                    (false, true) if field(world, list, address, "Purposes") == Some(here.join(", ")) => active += 1,
                    (true, false) => {}
                    (false, false) if kept_back => back += 1,
                    _ => {
                        return Err(format!(
                            "{address} on {list}: {here:?} here, active there: {there}, {on_record:?}"
                        ));
                    }
                }
            }
        }
        Ok((active, back))
    };
    let mut last = String::new();
    for _ in 0..400 {
        match differs().await {
            Ok(counts) => return counts,
            Err(why) => last = why,
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{last}");
}

async fn known(app: &TestApp, address: &str) -> Option<Value> {
    let found = app.api().post("/v1/subjects/search", json!({ "email": address })).await.expect(200).json;
    (!found["subject"].is_null()).then(|| found["subject"].clone())
}

async fn history(app: &TestApp, seed: u64) {
    app.clock.run_with_the_machine();
    let world = World::around(app);
    let shop = Shop::open(app, &world).await;
    let mut ids = vec![purpose_id(app, "newsletter").await];
    for slug in &PURPOSES[1..] {
        ids.push(app.purpose(slug).await);
    }
    let mut lists = Vec::new();
    for list in [
        json!({ "list_id": LIST }),
        json!({ "list_id": OTHER_LIST }),
        json!({ "title": "Alone", "unsubscribe": "this_list" }),
    ] {
        lists.push(ready(app, &shop, list).await);
    }
    let mut dice = Dice(seed);
    let mut pairs = any_pairs(&mut dice, &lists);
    let set = async |pairs: &Pairs| {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(purpose, list)| (*purpose, list.as_str())).collect();
        keep(app, &shop.destination, &pairs).await;
    };
    set(&pairs).await;
    let worker = world.worker();
    let (mut seen, mut acts) = (0, BTreeMap::<&str, usize>::new());
    for act in 0..ACTS {
        let (address, purpose) = (dice.one_of(&PEOPLE), dice.below(PURPOSES.len()));
        let what = match dice.below(20) {
            0..9 => {
                yes(app, &shop, &ids[purpose], address).await;
                "yes"
            }
            9..14 if known(app, address).await.is_some() => {
                stop(app, address, &[PURPOSES[purpose]]).await;
                "stop"
            }
            14..18 => {
                let list = &lists[dice.below(lists.len())];
                if world.emulator.unsubscribe_as_person(list, address) { "stop there" } else { "nothing" }
            }
            18 => {
                pairs = any_pairs(&mut dice, &lists);
                set(&pairs).await;
                "lists"
            }
            _ => "nothing",
        };
        *acts.entry(what).or_default() += 1;
        if act % 6 == 5 {
            seen += agreed(app, &world, &lists, &pairs).await.0;
        }
    }
    agreed(app, &world, &lists, &pairs).await;
    // A change of what is kept where ends in the same way, from wherever it starts.
    let all = PURPOSES.into_iter().flat_map(|purpose| lists.iter().map(move |list| (purpose, list.clone()))).collect();
    set(&all).await;
    seen += agreed(app, &world, &lists, &all).await.0;
    set(&Vec::new()).await;
    until_in_step(app).await;
    eventually("nobody is left anywhere", async || {
        let on = |list: &String| PEOPLE.iter().any(|address| is_active(&world, list, address));
        (!lists.iter().any(on)).then_some(())
    })
    .await;
    worker.stop().await;
    assert!(seen > 0 && ["yes", "stop", "stop there", "lists"].iter().all(|what| acts.contains_key(what)), "{acts:?}");
}

both_engines! {
    async fn both_sides_agree_after_any_history_of_purposes_and_lists(app: TestApp) {
        history(&app, 0x5eed_0001).await;
    }

    async fn both_sides_agree_after_another_history_of_purposes_and_lists(app: TestApp) {
        history(&app, 0x5eed_0002).await;
    }
}
