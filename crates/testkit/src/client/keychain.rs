//! A keychain in memory that a test can break, lock and block.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use valetkey::client::keychain::{KeychainError, SecretStore};
use zeroize::Zeroizing;

/// The operations of a keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    Get,
    Set,
    Delete,
}

/// Clones share the entries, so that a second start finds what the first one kept.
#[derive(Clone, Default)]
pub struct FakeStore(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<String, Vec<u8>>,
    calls: HashMap<Op, usize>,
    fail_next: Vec<(Op, KeychainError)>,
    fail_always: Vec<(Op, KeychainError)>,
    unreadable: Option<String>,
    blocked: bool,
    blocked_op: Option<Op>,
    most: Option<usize>,
    keeps_nothing: bool,
}

impl FakeStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next call of this kind fail.
    pub fn fail_next(&self, op: Op, error: KeychainError) {
        self.lock().fail_next.push((op, error));
    }

    /// Makes all calls fail.
    pub fn fail_always(&self, error: &KeychainError) {
        self.lock().fail_always = [Op::Get, Op::Set, Op::Delete].map(|op| (op, error.clone())).to_vec();
    }

    /// Makes all calls of this kind fail.
    pub fn fail_each(&self, op: Op, error: KeychainError) {
        self.lock().fail_always.push((op, error));
    }

    /// Makes this one entry unreadable.
    pub fn fail_entry(&self, name: &str) {
        self.lock().unreadable = Some(name.to_owned());
    }

    /// Refuses values of more bytes than these, as the Credential Manager of Windows does.
    pub fn take_at_most(&self, bytes: usize) {
        self.lock().most = Some(bytes);
    }

    /// Accepts every value and keeps none.
    pub fn keep_nothing(&self) {
        self.lock().keeps_nothing = true;
    }

    /// Makes the keychain work again.
    pub fn heal(&self) {
        let mut inner = self.lock();
        inner.most = None;
        inner.keeps_nothing = false;
        inner.fail_always.clear();
        inner.fail_next.clear();
        inner.unreadable = None;
        inner.blocked = false;
        inner.blocked_op = None;
        self.0.changed.notify_all();
    }

    /// Makes every call wait, as an unanswered prompt does, until [`heal`](Self::heal).
    pub fn block(&self) {
        self.lock().blocked = true;
    }

    /// As [`block`](Self::block), for the calls of one kind.
    pub fn block_each(&self, op: Op) {
        self.lock().blocked_op = Some(op);
    }

    pub fn entry(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().entries.get(name).cloned()
    }

    pub fn put(&self, name: &str, value: &[u8]) {
        self.lock().entries.insert(name.to_owned(), value.to_vec());
    }

    pub fn remove(&self, name: &str) {
        self.lock().entries.remove(name);
    }

    pub fn calls(&self, op: Op) -> usize {
        self.lock().calls.get(&op).copied().unwrap_or_default()
    }

    fn begin(&self, op: Op) -> Result<MutexGuard<'_, Inner>, KeychainError> {
        let mut inner = self.lock();
        *inner.calls.entry(op).or_default() += 1;
        while inner.blocked || inner.blocked_op == Some(op) {
            inner = self.0.changed.wait(inner).unwrap();
        }
        if let Some(place) = inner.fail_next.iter().position(|(failing, _)| *failing == op) {
            return Err(inner.fail_next.remove(place).1);
        }
        match inner.fail_always.iter().find(|(failing, _)| *failing == op) {
            Some((_, error)) => Err(error.clone()),
            None => Ok(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap()
    }
}

impl SecretStore for FakeStore {
    fn get(&mut self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        let inner = self.begin(Op::Get)?;
        if inner.unreadable.as_deref() == Some(entry) {
            return Err(KeychainError::Unavailable("for a moment".into()));
        }
        Ok(inner.entries.get(entry).cloned().map(Zeroizing::new))
    }

    fn set(&mut self, entry: &str, value: &[u8]) -> Result<(), KeychainError> {
        let mut inner = self.begin(Op::Set)?;
        if inner.most.is_some_and(|most| value.len() > most) {
            return Err(KeychainError::TooLong);
        }
        if !inner.keeps_nothing {
            inner.entries.insert(entry.to_owned(), value.to_vec());
        }
        Ok(())
    }

    fn delete(&mut self, entry: &str) -> Result<(), KeychainError> {
        self.begin(Op::Delete)?.entries.remove(entry);
        Ok(())
    }
}
