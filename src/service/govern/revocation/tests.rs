use super::*;
use crate::wire::DeviceId;

fn claims() -> Claims {
    Claims {
        iss: "valetkey".into(),
        aud: "valetkey".into(),
        sub: DeviceId::parse("device-0001").unwrap(),
        iat: 1000,
        nbf: 1000,
        exp: 2000,
        jti: "token-1".into(),
        org: Some("org-1".into()),
        user: Some("user-1".into()),
        app_version: Some("1.2.3".into()),
        models: Vec::new(),
        cnf: None,
    }
}

fn revocations() -> Revocations {
    Revocations::new(Duration::from_secs(300))
}

#[test]
fn each_kind_covers_what_it_names_and_nothing_else() {
    let named = |name: &str| {
        let name = name.to_owned();
        [
            Revoked::Jti(name.clone()),
            Revoked::Device(name.clone()),
            Revoked::User(name.clone()),
            Revoked::Org(name.clone()),
            Revoked::AppVersion(name),
        ]
    };
    for (kind, value) in ["token-1", "device-0001", "user-1", "org-1", "1.2.3"].into_iter().enumerate() {
        for (other, entry) in named(value).into_iter().enumerate() {
            let set = RevocationSet::from_iter([entry.clone()]);
            let reach = if kind == 0 { Reach::Token } else { Reach::Holder };
            assert_eq!(set.covers(&claims()), (kind == other).then_some(reach), "{entry:?}");
        }
    }
    for (second, covered) in [(999, None), (1000, None), (1001, Some(Reach::Token))] {
        assert_eq!(RevocationSet::from_iter([Revoked::IssuedBefore(second)]).covers(&claims()), covered, "{second}");
    }
    assert_eq!(RevocationSet::default().covers(&claims()), None);
}

#[test]
fn ended_tokens_of_a_device_are_too_old_and_its_next_one_is_not() {
    let revocations = revocations();
    let ended = |device: &str, second| Revoked::DeviceTokens(device.into(), second);
    for (entries, expected) in [
        (vec![ended("device-0001", 1001)], Some(ErrorCode::TokenOutdated)),
        (vec![ended("device-0001", 1001), ended("device-0001", 900)], Some(ErrorCode::TokenOutdated)),
        (vec![ended("device-0001", 1000)], None),
        (vec![ended("device-0002", 1001)], None),
        (vec![ended("device-0001", 1001), Revoked::User("user-1".into())], Some(ErrorCode::TokenRevoked)),
    ] {
        let set = RevocationSet::from_iter(entries.clone());
        let covers = set.covers(&claims()).is_some();
        revocations.replace(set);
        assert_eq!(revocations.judge(&claims()).err().map(|problem| problem.code), expected, "{entries:?}");
        assert_eq!(revocations.judge_new(&claims()).is_err(), covers, "{entries:?}");
        assert_eq!(covers, expected == Some(ErrorCode::TokenRevoked), "an open request goes on: {entries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn f34_an_unconfirmed_set_ends_all_service_after_its_limit() {
    let revocations = revocations();
    tokio::time::advance(Duration::from_secs(3600)).await;
    revocations.judge(&claims()).expect("without a store there is nothing to be behind of");
    revocations.confirm();
    tokio::time::advance(Duration::from_secs(300)).await;
    revocations.judge(&claims()).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(revocations.judge(&claims()).unwrap_err().code, ErrorCode::NotReady);
    revocations.confirm();
    revocations.judge(&claims()).unwrap();
}

#[test]
fn a_caller_is_served_again_when_its_revocation_ends() {
    let revocations = revocations();
    revocations.replace(RevocationSet::from_iter([Revoked::Org("org-1".into())]));
    assert_eq!(revocations.judge(&claims()).unwrap_err().code, ErrorCode::TokenRevoked);
    revocations.replace(RevocationSet::default());
    revocations.judge(&claims()).unwrap();
}

#[test]
fn a_revoked_token_can_be_replaced_unless_its_holder_is_revoked_too() {
    let revocations = revocations();
    revocations.replace(RevocationSet::from_iter([Revoked::Jti("token-1".into())]));
    assert_eq!(revocations.judge(&claims()).unwrap_err().code, ErrorCode::TokenOutdated);
    let both = [Revoked::Jti("token-1".into()), Revoked::User("user-1".into())];
    revocations.replace(RevocationSet::from_iter(both));
    assert_eq!(revocations.judge(&claims()).unwrap_err().code, ErrorCode::TokenRevoked);
}
