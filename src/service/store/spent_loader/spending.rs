//! What each subject has spent in some time, added up from recorded costs.

use std::collections::HashMap;

use crate::service::govern::budgets::Subject;
use crate::service::meter::money::MicroDollars;
use crate::service::store::database::Costs;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spending(HashMap<Subject, MicroDollars>);

impl Spending {
    /// Adds each cost to its device, its user and its organisation.
    pub(super) fn of(costs: &[Costs]) -> Self {
        let mut sums = Self::default();
        for Costs { device, user, org, sum } in costs {
            let user = user.as_deref().map(|user| Subject::User(user.into()));
            let org = org.as_deref().map(|org| Subject::Org(org.into()));
            for subject in [Some(Subject::Device(device.clone())), user, org].into_iter().flatten() {
                sums.add(subject, *sum);
            }
        }
        sums
    }

    pub(super) fn add_all(&mut self, more: &Self) {
        for (subject, sum) in more.each() {
            self.add(subject.clone(), sum);
        }
    }

    pub(super) fn by(&self, subject: &Subject) -> MicroDollars {
        self.0.get(subject).copied().unwrap_or_default()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (&Subject, MicroDollars)> {
        self.0.iter().map(|(subject, sum)| (subject, *sum))
    }

    fn add(&mut self, subject: Subject, sum: MicroDollars) {
        let spent = self.0.entry(subject).or_default();
        *spent = *spent + sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::DeviceId;

    fn costs(device: &str, user: Option<&str>, org: Option<&str>, sum: u64) -> Costs {
        Costs {
            device: DeviceId::parse(device).unwrap(),
            user: user.map(str::to_owned),
            org: org.map(str::to_owned),
            sum: MicroDollars::new(sum),
        }
    }

    #[test]
    fn costs_of_a_device_count_for_its_user_and_its_organisation_too() {
        let mut sums = Spending::of(&[
            costs("device-0001", Some("ada"), Some("acme"), 1),
            costs("device-0001", Some("bob"), Some("acme"), 20),
        ]);
        sums.add_all(&Spending::of(&[
            costs("device-0002", Some("ada"), None, 300),
            costs("device-0002", None, None, 4000),
        ]));
        let of = |subject: Subject| sums.by(&subject).get();
        let device = |name: &str| Subject::Device(DeviceId::parse(name).unwrap());
        assert_eq!((of(device("device-0001")), of(device("device-0002"))), (21, 4300));
        assert_eq!((of(Subject::User("ada".into())), of(Subject::User("bob".into()))), (301, 20));
        assert_eq!((of(Subject::Org("acme".into())), of(Subject::Org("ada".into()))), (21, 0));
        assert_eq!(sums.each().count(), 5);
    }
}
