//! The simulated disk's locks, as `flock` has them: a handle holds a lock, alone or with others, and a process that has gone
//! holds none.

use std::collections::BTreeMap;

use super::history::Life;

/// One of a process's handles. No two handles have the same number.
pub type Handle = (Life, usize);

/// See the module. By their names.
#[derive(Default)]
pub struct Locks(BTreeMap<String, Holders>);

#[derive(Default)]
struct Holders {
    exclusive: Option<Handle>,
    shared: Vec<Handle>,
}

impl Locks {
    /// Takes a lock alone, unless another handle holds it.
    pub fn try_exclusive(&mut self, name: &str, me: Handle) -> bool {
        let holders = self.0.entry(name.to_owned()).or_default();
        let free =
            holders.exclusive.is_none_or(|holder| holder == me) && holders.shared.iter().all(|holder| *holder == me);
        if free {
            holders.shared.clear();
            holders.exclusive = Some(me);
        }
        free
    }

    /// Takes a lock with others, unless another handle holds it alone.
    pub fn try_shared(&mut self, name: &str, me: Handle) -> bool {
        let holders = self.0.entry(name.to_owned()).or_default();
        let free = holders.exclusive.is_none_or(|holder| holder == me);
        if free {
            holders.exclusive = None;
            if !holders.shared.contains(&me) {
                holders.shared.push(me);
            }
        }
        free
    }

    pub fn release(&mut self, name: &str, me: Handle) {
        if let Some(holders) = self.0.get_mut(name) {
            holders.exclusive.take_if(|holder| *holder == me);
            holders.shared.retain(|holder| *holder != me);
        }
    }

    /// All that a life held is free.
    pub fn kill(&mut self, life: Life) {
        for holders in self.0.values_mut() {
            holders.exclusive.take_if(|holder| holder.0 == life);
            holders.shared.retain(|holder| holder.0 != life);
        }
    }

    pub fn is_shared_by(&self, name: &str, life: Life) -> bool {
        self.0.get(name).is_some_and(|holders| holders.shared.iter().any(|holder| holder.0 == life))
    }
}
