//! What waits for a writer, and what it runs on. A *call* is a closure: any work, one at a time. A *command* is data:
//! those of one kind that wait are carried out together, in as few statements as it takes (architecture section 3).

use std::any::{Any, TypeId};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::bells::Asked;
use super::connection::Conn;
use super::error::StoreError;
use super::reading::ReadTx;
use crate::domain::task::TaskKind;

/// What a writing call works on: everything a reading call can do, and the writes.
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    wrote: bool,
    asked: Asked,
}

impl<'a> WriteTx<'a> {
    pub(super) fn new(conn: &'a mut Conn) -> Self {
        Self { read: ReadTx { conn }, wrote: false, asked: Asked::default() }
    }

    /// The connection, for a statement that writes.
    pub(super) fn writing(&mut self) -> &mut Conn {
        self.wrote = true;
        self.read.conn
    }

    /// Work of this kind was asked for: whoever waits for it is told after the commit.
    pub(super) fn announce(&mut self, kind: TaskKind) {
        self.asked.note(kind);
    }
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;
    fn deref(&self) -> &ReadTx<'a> {
        &self.read
    }
}

impl<'a> DerefMut for WriteTx<'a> {
    fn deref_mut(&mut self) -> &mut ReadTx<'a> {
        &mut self.read
    }
}

/// The error of a writing call: it can carry the store's, and shows it.
pub trait Fault: From<StoreError> + Send + 'static {
    /// The store's error, if it is one.
    fn store_error(&self) -> Option<&StoreError>;
}

impl Fault for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// A command that goes to the writer as data. It may be carried out more than once, when the transaction around it had
/// to be rolled back; all its effects go through the transaction.
pub trait Command: Send + 'static {
    /// What is answered once it is durable.
    type Answer: Send + 'static;
    /// Why it was not done.
    type Error: Fault;

    /// Whether it may use the part of the queue that is kept for what must not be refused: a withdrawal is the last
    /// thing that a busy house turns away.
    const URGENT: bool = false;

    /// What it is about, see [`Store::write`](super::Store::write).
    fn route(&self) -> Uuid;

    /// Carries all of them out and gives one outcome for each, in their order. One that is refused has written nothing.
    /// An error of the whole means that nothing may be kept; the commands are then run in halves, down to the one that
    /// cannot be carried out, which gets the error.
    fn carry_out(commands: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Self::Error>;
}

/// One outcome for each command of a batch.
pub type Outcomes<C> = Vec<Result<<C as Command>::Answer, <C as Command>::Error>>;

/// How a run ended, as the writer sees it.
pub(super) enum Ran {
    /// What it wrote may be kept, and asks for this. It may have said no, having written nothing.
    Keep(Asked),
    /// Roll back: it failed after writing, or the transaction is spoiled. The error is what the store has to say of it.
    Spoiled(StoreError),
}

/// Something that is run inside a batch's transaction: one call, or the commands of one kind.
pub(super) trait Work: Send {
    fn run(&mut self, conn: &mut Conn) -> Ran;
    /// Takes the second half off, to find the one that spoils; nothing when there is only one.
    fn split(&mut self) -> Option<Box<dyn Work>>;
    /// Tells each caller what came of it.
    fn answer(self: Box<Self>);
    /// Tells each caller that nothing was kept.
    fn fail(self: Box<Self>, error: &StoreError);
    fn as_any(&mut self) -> &mut dyn Any;
}

/// What stands in the queue.
pub(super) enum Queued {
    Call(Uuid, Box<dyn Work>),
    Command(Box<dyn Waiting>),
}

impl Queued {
    pub(super) fn route(&self) -> Uuid {
        match self {
            Self::Call(route, _) => *route,
            Self::Command(waiting) => waiting.route(),
        }
    }

    /// How many calls and commands.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Call(..) => 1,
            Self::Command(waiting) => waiting.len(),
        }
    }
}

/// Turns what was taken from the queue into work: commands by kind, in one order of kinds for all writers, then the
/// calls. All of it is concurrent, so that no caller is owed another order; within each, the order is that of the
/// routes, so that writers of several instances lock rows in one order. Commands that were submitted together stay so,
/// where the first of them belongs.
pub(super) fn sort_out(mut queued: Vec<Queued>) -> Vec<Box<dyn Work>> {
    queued.sort_by_key(Queued::route);
    let mut groups: Vec<(&'static str, TypeId, Box<dyn Work>)> = Vec::new();
    let mut calls = Vec::new();
    for one in queued {
        match one {
            Queued::Call(_, call) => calls.push(call),
            Queued::Command(waiting) => {
                let (name, kind) = waiting.kind();
                match groups.iter_mut().find(|(_, known, _)| *known == kind) {
                    Some((_, _, group)) => waiting.join(group.as_mut()),
                    None => groups.push((name, kind, waiting.into_work())),
                }
            }
        }
    }
    groups.sort_by_key(|(name, _, _)| *name);
    groups.into_iter().map(|(_, _, group)| group).chain(calls).collect()
}

fn ran<T, E: Fault>(result: &Result<T, E>, wrote: bool, asked: Asked) -> Ran {
    match result {
        Ok(_) => Ran::Keep(asked),
        Err(error) => match error.store_error() {
            Some(store) if store.spoils_the_transaction() => Ran::Spoiled(store.clone()),
            _ if wrote => Ran::Spoiled(StoreError::Failed("refused after it had written".into())),
            _ => Ran::Keep(asked),
        },
    }
}

pub(super) struct Call<T, E, F> {
    call: F,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Call<T, E, F> {
    pub(super) fn new(call: F, caller: oneshot::Sender<Result<T, E>>) -> Self {
        Self { call, result: None, caller }
    }
}

impl<T, E, F> Work for Call<T, E, F>
where
    F: FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    fn run(&mut self, conn: &mut Conn) -> Ran {
        let mut tx = WriteTx::new(conn);
        let result = catch_unwind(AssertUnwindSafe(|| (self.call)(&mut tx)))
            .unwrap_or_else(|_| Err(StoreError::Failed("a writing call panicked".into()).into()));
        let ran = ran(&result, tx.wrote, tx.asked);
        self.result = Some(result);
        ran
    }

    fn split(&mut self) -> Option<Box<dyn Work>> {
        None
    }

    fn answer(self: Box<Self>) {
        let result =
            self.result.unwrap_or_else(|| Err(StoreError::Failed("a call was answered before it ran".into()).into()));
        // The caller may have gone away; what was committed stays committed.
        let _ = self.caller.send(result);
    }

    fn fail(self: Box<Self>, error: &StoreError) {
        let _ = self.caller.send(Err(error.clone().into()));
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Commands in the queue, whatever their kind.
pub(super) trait Waiting: Send {
    fn route(&self) -> Uuid;
    fn len(&self) -> usize;
    fn kind(&self) -> (&'static str, TypeId);
    fn into_work(self: Box<Self>) -> Box<dyn Work>;
    fn join(self: Box<Self>, group: &mut dyn Work);
}

/// A command and who waits for what comes of it.
pub(super) struct Submitted<C: Command> {
    command: C,
    outcome: Option<Result<C::Answer, C::Error>>,
    caller: oneshot::Sender<Result<C::Answer, C::Error>>,
}

impl<C: Command> Submitted<C> {
    pub(super) fn new(command: C, caller: oneshot::Sender<Result<C::Answer, C::Error>>) -> Self {
        Self { command, outcome: None, caller }
    }
}

/// Commands of one kind: those that were submitted together, and in a batch all that wait. Never empty.
pub(super) struct Group<C: Command>(pub(super) Vec<Submitted<C>>);

impl<C: Command> Waiting for Group<C> {
    fn route(&self) -> Uuid {
        self.0.first().map_or(Uuid::nil(), |first| first.command.route())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn kind(&self) -> (&'static str, TypeId) {
        (std::any::type_name::<C>(), TypeId::of::<C>())
    }

    fn into_work(self: Box<Self>) -> Box<dyn Work> {
        self
    }

    fn join(self: Box<Self>, group: &mut dyn Work) {
        match group.as_any().downcast_mut::<Self>() {
            Some(Self(submitted)) => submitted.extend(self.0),
            // Kinds are told apart by their type, so that this is never reached; nobody is left without an answer.
            None => self.fail(&StoreError::Failed("a command met another kind".into())),
        }
    }
}

impl<C: Command> Work for Group<C> {
    fn run(&mut self, conn: &mut Conn) -> Ran {
        let mut tx = WriteTx::new(conn);
        let commands: Vec<&C> = self.0.iter().map(|one| &one.command).collect();
        let outcomes = catch_unwind(AssertUnwindSafe(|| C::carry_out(&commands, &mut tx)))
            .unwrap_or_else(|_| Err(StoreError::Failed("a command panicked".into()).into()));
        let outcomes = outcomes.and_then(|outcomes| match outcomes.len() == self.0.len() {
            true => Ok(outcomes),
            false => Err(StoreError::Failed("a command was left without an outcome".into()).into()),
        });
        match outcomes {
            Ok(outcomes) => {
                for (one, outcome) in self.0.iter_mut().zip(outcomes) {
                    one.outcome = Some(outcome);
                }
                Ran::Keep(tx.asked)
            }
            Err(error) => {
                let failed = Err(error);
                let ran = ran::<C::Answer, _>(&failed, true, Asked::default());
                // Of several, the one to blame is not known yet: they are run again in halves.
                if let [only] = &mut self.0[..] {
                    only.outcome = Some(failed);
                }
                ran
            }
        }
    }

    fn split(&mut self) -> Option<Box<dyn Work>> {
        (self.0.len() > 1).then(|| Box::new(Self(self.0.split_off(self.0.len() / 2))) as Box<dyn Work>)
    }

    fn answer(self: Box<Self>) {
        for one in self.0 {
            let outcome = one.outcome.unwrap_or_else(|| {
                Err(StoreError::Failed("a command was answered before it was carried out".into()).into())
            });
            let _ = one.caller.send(outcome);
        }
    }

    fn fail(self: Box<Self>, error: &StoreError) {
        for one in self.0 {
            let _ = one.caller.send(Err(error.clone().into()));
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
