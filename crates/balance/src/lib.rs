//! Which replica next, whether it is fit, whether a failed request may be tried again, and when.
//!
//! Pure: the clock ([`Nanos`]) and the random numbers are handed in, nothing blocks, nothing allocates after construction.
//! What one worker learns about an endpoint all workers use: [`Load`], [`Accrual`] and [`Budget`] are shared and lock-free.

mod accrual;
mod backoff;
mod balancer;
mod budget;
mod load;
mod nanos;
mod stamped;

pub use accrual::{Accrual, AccrualPolicy, Change, Probe};
pub use backoff::{Backoff, BackoffState};
pub use balancer::{Aperture, Balancer, Band, Choice, Node, Picker};
pub use budget::{Budget, BudgetConfig};
pub use load::Load;
pub use nanos::Nanos;
