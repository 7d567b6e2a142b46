//! Connections, as many as there are threads that use one at a time.

use std::sync::Mutex;

pub(super) struct Pool<C> {
    free: Mutex<Vec<C>>,
    connect: Box<dyn Fn() -> C + Send + Sync>,
}

impl<C> Pool<C> {
    pub(super) fn new(connect: impl Fn() -> C + Send + Sync + 'static) -> Self {
        Self { free: Mutex::default(), connect: Box::new(connect) }
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut C) -> T) -> T {
        let free = self.free.lock().unwrap().pop();
        let mut connection = free.unwrap_or_else(|| (self.connect)());
        let done = work(&mut connection);
        self.free.lock().unwrap().push(connection);
        done
    }
}
