//! Two requests of one visitor through the layer, over a store that pauses at each call: all orders of the calls, and both orders
//! of the answers. Nothing sleeps: a driver polls one request at a time, and each poll is one call of the store.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test may panic, and nothing of it is public")]

#[path = "../support/in_memory.rs"]
mod in_memory;
mod judge;
mod orders;
mod paused;
mod world;

use std::collections::BTreeMap;

use cloakroom::{FileStore, MemoryStore, RuntimeFree, Store};
use judge::judge;
use world::{Choose, First, Op, When, World, run};

/// The choices of one order, and how many ways there were at each.
#[derive(Default)]
struct Order {
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choose for Order {
    fn choose(&mut self, ways: usize) -> usize {
        if self.at == self.made.len() {
            self.made.push((0, ways));
        }
        assert_eq!(self.made[self.at].1, ways, "the same choices lead to the same places");
        self.at += 1;
        self.made[self.at - 1].0
    }
}

impl Order {
    /// The next order, depth first; false after the last.
    fn advance(&mut self) -> bool {
        self.made.truncate(self.at);
        self.at = 0;
        while let Some((choice, ways)) = self.made.pop() {
            if choice + 1 < ways {
                self.made.push((choice + 1, ways));
                return true;
            }
        }
        false
    }
}

/// Runs two requests in all orders; gives how many there were, and the first that breaks each promise.
fn all_orders<S: RuntimeFree + Clone>(
    store: &impl Fn() -> S,
    ops: [Op; 2],
    first: (First, When),
) -> (u32, BTreeMap<String, String>) {
    let (mut orders, mut all_broken) = (0, BTreeMap::new());
    for is_one_after_the_other in [false, true] {
        let mut order = Order::default();
        loop {
            let world = run(store(), ops, first, is_one_after_the_other, &mut order);
            orders += u32::from(world.is_some());
            for (world, broken) in world.iter().flat_map(|world| judge(world).into_iter().map(move |it| (world, it))) {
                let order = || {
                    let made: Vec<_> = order.made.iter().map(|(choice, _)| choice).collect();
                    let kind = if is_one_after_the_other { "one after the other" } else { "at once" };
                    let World { answers, events, live, jar, .. } = world;
                    format!("{ops:?} over {first:?}, {kind}, {made:?}:\n{answers:?}\n{events:?}\n{live:?}\n{jar:?}")
                };
                all_broken.entry(broken).or_insert_with(order);
            }
            if !order.advance() {
                break;
            }
        }
    }
    (orders, all_broken)
}

/// Runs each two of the requests. `expected` is how many orders each pair has, a row for each request: with itself, and with each
/// that comes after it.
fn all_pairs<S: RuntimeFree + Clone>(store: impl Fn() -> S, first: (First, When), ops: &[Op], expected: &[&[u32]]) {
    let (mut orders, mut all_broken) = (Vec::new(), BTreeMap::new());
    for (at, one) in ops.iter().enumerate() {
        let mut row = Vec::new();
        for other in &ops[at..] {
            let (more, broken) = all_orders(&store, [*one, *other], first);
            row.push(more);
            for (promise, order) in broken {
                all_broken.entry(format!("{promise}: {one:?}, {other:?}")).or_insert(order);
            }
        }
        orders.push(row);
    }
    let shown: String = all_broken.iter().map(|(promise, order)| format!("{promise}\n{order}\n\n")).collect();
    assert!(all_broken.is_empty(), "{shown}{:#?}", all_broken.keys());
    // A change of the commit that calls the store more or less often changes them: it is right if it is meant.
    let rows: String = orders.iter().map(|row| format!("    &{row:?},\n")).collect();
    assert!(orders == expected, "{first:?}: the numbers of orders are\n{rows}");
    println!("{first:?}: {} orders", orders.iter().flatten().sum::<u32>());
}

#[test]
fn in_no_order_do_two_requests_break_a_promise_over_an_anonymous_session() {
    all_pairs(MemoryStore::new, (First::Anonymous, When::Soon), &Op::ALL, orders::ANONYMOUS);
}

#[test]
fn in_no_order_do_two_requests_break_a_promise_over_a_users_session() {
    all_pairs(MemoryStore::new, (First::A, When::Soon), &Op::ALL, orders::A);
}

#[test]
fn in_no_order_do_two_requests_break_a_promise_over_two_sessions_of_one_user() {
    all_pairs(MemoryStore::new, (First::AAndA, When::Soon), &Op::ALL, orders::A_AND_A);
}

#[test]
fn in_no_order_do_two_requests_break_a_promise_over_a_planted_session_and_the_users() {
    all_pairs(MemoryStore::new, (First::AnonAndA, When::Soon), &Op::ALL, orders::ANON_AND_A);
}

#[test]
fn in_no_order_do_two_requests_break_a_promise_without_a_session() {
    all_pairs(MemoryStore::new, (First::Blank, When::Soon), &Op::ALL, orders::BLANK);
    all_pairs(MemoryStore::new, (First::DeadId, When::Soon), &Op::ALL, orders::DEAD_ID);
}

/// What touches and renewals may meet.
const RENEWING: &[Op] = &[
    Op::Look,
    Op::Put,
    Op::Rotate,
    Op::Reauthenticate,
    Op::LoginA,
    Op::LoginB,
    Op::Destroy,
    Op::DestroyAndPut,
    Op::EndAll,
];

#[test]
fn in_no_order_does_a_touch_or_a_renewed_cookie_break_a_promise() {
    for (when, anonymous, a) in [
        (When::TouchIsDue, orders::ANONYMOUS_TOUCH_IS_DUE, orders::A_TOUCH_IS_DUE),
        (When::NearTheEnd, orders::ANONYMOUS_NEAR_THE_END, orders::A_NEAR_THE_END),
    ] {
        all_pairs(MemoryStore::new, (First::Anonymous, when), RENEWING, anonymous);
        all_pairs(MemoryStore::new, (First::A, when), RENEWING, a);
    }
}

/// One store in files for all orders, empty for each.
fn files() -> (tempfile::TempDir, impl Fn() -> FileStore) {
    let place = in_memory::in_memory().unwrap();
    let options = FileStore::options().durability(cloakroom::Durability::Never);
    let store = options.open(place.path().join("sessions")).unwrap();
    let empty = move || {
        paused::whole(store.clear()).unwrap();
        store.clone()
    };
    (place, empty)
}

#[test]
fn in_no_order_do_two_requests_break_a_promise_in_a_store_in_files() {
    let (_place, store) = files();
    // It is asked as often as a store in memory is.
    all_pairs(&store, (First::A, When::Soon), &Op::ALL, orders::A);
    all_pairs(&store, (First::Anonymous, When::Soon), &Op::ALL, orders::ANONYMOUS);
}
