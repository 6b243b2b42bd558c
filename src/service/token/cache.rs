//! A cache of verified tokens, so that a device's next request costs a look-up and no signature.
//!
//! Each worker has a cache of its own. A token is recognised by all of its bytes, never by a part or a short hash of
//! them, and its times are judged again at every use.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// Verified tokens and who they stand for.
pub(crate) struct TokenCache<Who>(Mutex<Memory<Who>>);

/// Two generations. When they are turned, tokens still in the older one have not been used for as long as the younger
/// one took to age, and are forgotten.
struct Memory<Who> {
    young: Generation<Who>,
    old: Generation<Who>,
    /// When the younger generation began.
    turned: Instant,
}

/// Keyed by the last bytes of a token, which are of its signature: not attacker-controlled, and cheap to hash.
type Generation<Who> = HashMap<[u8; END], VerifiedToken<Who>>;

struct VerifiedToken<Who> {
    token: Box<str>,
    who: Who,
}

impl<Who> Default for TokenCache<Who> {
    fn default() -> Self {
        Self(Mutex::new(Memory { young: HashMap::new(), old: HashMap::new(), turned: Instant::now() }))
    }
}

impl<Who: Clone> TokenCache<Who> {
    /// The caller of this exact token, if the token was verified before.
    pub(crate) fn find(&self, token: &str) -> Option<Who> {
        let end = token.as_bytes().last_chunk()?;
        let mut memory = lock(&self.0);
        if let Some(known) = memory.young.get(end) {
            return known.who(token);
        }
        let known = memory.old.remove(end)?;
        let who = known.who(token);
        memory.keep(*end, known);
        who
    }

    /// Adds a verified token. Unused tokens make room: each costs one verification when it comes again.
    pub(crate) fn remember(&self, token: &str, who: Who) {
        // So short a text has no signature.
        let Some(end) = token.as_bytes().last_chunk() else { return };
        let known = VerifiedToken { token: token.into(), who };
        lock(&self.0).keep(*end, known);
    }
}

impl<Who> Memory<Who> {
    fn keep(&mut self, end: [u8; END], known: VerifiedToken<Who>) {
        let now = Instant::now();
        if self.young.len() >= MOST || now.duration_since(self.turned) >= UNUSED {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        self.young.insert(end, known);
    }
}

impl<Who: Clone> VerifiedToken<Who> {
    fn who(&self, token: &str) -> Option<Who> {
        (*self.token == *token).then(|| self.who.clone())
    }
}

const END: usize = 32;

/// The most tokens in each generation: about 4 MB with their claims.
const MOST: usize = 4096;

/// A refreshed token is not used again, and need not be kept for the rest of its life.
const UNUSED: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> String {
        format!("{name}.{name:s>END$}")
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_used_stays_known_and_one_that_is_not_is_forgotten() {
        let token_cache = TokenCache::default();
        token_cache.remember(&token("used"), 1);
        token_cache.remember(&token("left"), 2);
        for new in ["new", "newer"] {
            tokio::time::advance(UNUSED).await;
            token_cache.remember(&token(new), 3);
            assert_eq!(token_cache.find(&token("used")), Some(1), "beside {new}");
        }
        assert_eq!(token_cache.find(&token("left")), None);
    }

    #[test]
    fn more_tokens_than_fit_make_room_for_each_other() {
        let token_cache = TokenCache::default();
        for number in 0..3 * MOST {
            token_cache.remember(&token(&number.to_string()), number);
            // Half of them stay in use.
            token_cache.find(&token(&(number / 2).to_string()));
        }
        let last = 3 * MOST - 1;
        assert_eq!(token_cache.find(&token(&last.to_string())), Some(last));
        assert_eq!(token_cache.find(&token("0")), None);
        let memory = token_cache.0.lock().unwrap();
        assert!(memory.young.len() <= MOST && memory.old.len() <= MOST);
    }

    #[test]
    fn a_token_is_not_taken_for_another_with_the_same_end() {
        let token_cache = TokenCache::default();
        let end = "s".repeat(END);
        token_cache.remember(&format!("genuine.{end}"), 1);
        assert_eq!(token_cache.find(&format!("forged.{end}")), None);
        assert_eq!(token_cache.find(&format!("genuine.{end}")), Some(1));
    }
}
