//! What several threads and processes did at the same time, and whether it could have happened one after another: calls with
//! their times, the search for an order, the model as the search sees it, and the real store that makes the calls. Which
//! operations come is the campaigns' choice, and never made here.

mod call;
mod checker;
mod clock;
pub mod spec;
pub mod store;

pub use call::Call;
pub use checker::{Verdict, check};
pub use clock::{now, wait_until};
