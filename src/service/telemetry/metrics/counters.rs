//! Counters by labels whose values are known in advance.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

pub(crate) type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// The names and values of the labels of one counter.
pub(crate) type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All series exist from the start: the rate of one that appears with its first event misses that event.
pub(crate) fn counters<const N: usize>(all: impl IntoIterator<Item = Labels<N>>) -> Counters<N> {
    let counters = Counters::<N>::default();
    for labels in all {
        drop(counters.get_or_create(&labels));
    }
    counters
}
