//! Who keeps what shows who asks: asked once a server wants it, and told what the server made of it.

use std::fmt;
use std::sync::Arc;

use super::Credentials;

/// Keeps names and passwords for servers. What it does takes as long as it takes: it may ask a person.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// What there is for an address, which has neither a name nor a password.
    fn find(&self, address: &str) -> Option<Credentials>;

    /// Tells that the server has taken it, or refused it.
    fn tell(&self, address: &str, found: &Credentials, is_taken: bool);
}

/// A keeper, and how far it is with an address.
#[derive(Debug, Default)]
pub(super) struct Asking {
    keeper: Option<Arc<dyn Keeper>>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    NotAsked,
    /// It was asked, and waits to be told.
    Found,
    Over,
}

impl Asking {
    pub(super) fn new(keeper: Option<Arc<dyn Keeper>>) -> Asking {
        Asking { keeper, state: State::NotAsked }
    }

    /// A server wants to be shown something, or does not take what it was shown; answers what else there is to show.
    pub(super) fn wanted(&mut self, address: &str, shown: Option<&Credentials>) -> Option<Credentials> {
        let keeper = self.keeper.as_ref()?;
        match (std::mem::replace(&mut self.state, State::Over), shown) {
            (State::NotAsked, None) => {
                let found = keeper.find(address)?;
                self.state = State::Found;
                Some(found)
            }
            (State::Found, Some(shown)) => {
                keeper.tell(address, shown, false);
                None
            }
            _ => None,
        }
    }

    /// A server has taken what it was shown.
    pub(super) fn taken(&mut self, address: &str, shown: Option<&Credentials>) {
        if let (Some(keeper), State::Found, Some(shown)) = (&self.keeper, &self.state, shown) {
            keeper.tell(address, shown, true);
            self.state = State::Over;
        }
    }
}
