//! `valetkey admin` in a process of its own, towards a real service.

use std::net::TcpListener;
use std::time::SystemTime;

use serde_json::{Value, json};
use valetkey::service::govern::overrides::LimitOverrides;
use valetkey::service::meter::usage::CostCertainty;
use valetkey::service::store::database::{AuditOutcome, DevicePatch, DeviceState, NewAuditEntry, UsageRow};

use crate::process::{Ended, run_with};
use crate::secured::Secured;
use testkit::service::{ADMIN_TOKEN, TestService};
use testkit::stores::database::{TestDatabase, at, device, row};
use testkit::temporary::TemporaryFile;

#[tokio::test]
async fn what_is_there_is_shown_in_tables() {
    let (_database, service) = fixed().await;
    for (command, expected) in [
        ("devices list", DEVICES),
        ("devices show device-0001", DEVICE),
        ("usage", USAGE),
        ("usage --by user", USAGE_BY_USER),
        ("requests list", REQUESTS),
        ("audit", AUDIT),
        (
            "breaker",
            "MODEL  STATE   REQUESTS  FAILURES  OPENINGS  RETRY MS\nother  closed         0         0         0         0\n",
        ),
    ] {
        let ended = admin(&service, command);
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{command}");
        assert_eq!(ended.out, expected, "{command}:\n{}", ended.out);
    }
    let revocations = admin(&service, "revocations list").out;
    let line = revocations.lines().nth(1).unwrap();
    assert!(line.contains("  device_id  device-0002  2023-11-14T22:15:00Z  -      admin/ann  "), "{revocations}");
    let config = admin(&service, "config").out;
    let line = config.lines().find(|line| line.starts_with("ADMIN_TOKEN")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["ADMIN_TOKEN", "set"]);
}

#[tokio::test]
async fn lists_are_narrowed_as_the_api_narrows_them() {
    let (_database, service) = fixed().await;
    for (command, rows) in [
        ("devices list --state revoked", 1),
        ("devices list --search acme", 2),
        ("requests list --device device-0001", 2),
        ("requests list --from 2023-11-15", 0),
        ("requests list --to 2023-11-15 --model model-asked", 1),
        ("usage --by day --org acme", 2), // and the total
    ] {
        let ended = admin(&service, command);
        assert_eq!((ended.code, ended.out.lines().count()), (Some(0), rows + 1), "{command}: {}", ended.out);
    }
}

#[tokio::test]
async fn programs_get_the_apis_own_json_and_csv() {
    let (_database, service) = fixed().await;
    for (command, path) in [
        ("devices list", "/admin/devices?limit=100"),
        ("devices show device-0001", "/admin/devices/device-0001"),
        ("usage --by day", "/admin/usage?group_by=day"),
        ("requests list --limit 2", "/admin/requests?limit=2"),
        ("config", "/admin/config"),
        ("breaker", "/admin/breaker"),
    ] {
        let ended = admin(&service, &format!("{command} --json"));
        let expected = service.admin("GET", path, None).await.text() + "\n";
        assert_eq!((ended.code, ended.out), (Some(0), expected), "{command}");
    }
    let ended = admin(&service, "usage --by user --csv");
    let expected = service.admin("GET", "/admin/usage?group_by=user&format=csv", None).await.text();
    assert_eq!((ended.code, ended.out), (Some(0), expected));
    assert_eq!(admin(&service, "usage --csv --json").code, Some(64));
    let settings = [("ADMIN_URL", service.admin_url())];
    let metrics = run_with(&["admin", "metrics"], &settings, "");
    assert!(metrics.code == Some(0) && metrics.out.ends_with("# EOF\n"), "without a token: {metrics:?}");
}

#[tokio::test]
async fn long_lists_are_followed_page_by_page_up_to_the_limit() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let rows: Vec<_> = (0..2300).map(|number| row(&format!("req_{number}"), device(1), at(NOON + number))).collect();
    store.usage().insert(&rows, SystemTime::now()).await.unwrap();
    let service = on(&database);
    for (limit, rows, pages, has_more) in [
        ("--limit 0", 2300, 3, false),
        ("--limit 2000", 2000, 2, true),
        ("--limit 2300", 2300, 3, false),
        ("", 100, 1, true),
    ] {
        let ended = admin(&service, &format!("requests list {limit}"));
        assert_eq!((ended.code, ended.out.lines().count()), (Some(0), rows + 1), "{limit:?}");
        assert_eq!(ended.errors.contains("there is more"), has_more, "{limit:?}: {}", ended.errors);
        let ended = admin(&service, &format!("requests list --json {limit}"));
        let bodies: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let items: usize = bodies.iter().map(|body| body["items"].as_array().unwrap().len()).sum();
        assert_eq!((bodies.len(), items), (pages, rows), "{limit:?}");
    }
}

#[tokio::test]
async fn a_device_is_governed_by_commands() {
    let service = TestService::start("http://127.0.0.1:9");
    let limits = async || service.admin("GET", "/admin/devices/device-0001", None).await.json()["limits"].clone();
    let set =
        admin(&service, "devices set device-0001 --user ada --models claude-haiku-*,claude-sonnet-5 --requests 20");
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.errors.contains("nobody had heard of this device before"), "{set:?}");
    assert!(set.out.contains("\nMODELS             claude-haiku-*,claude-sonnet-5\n"), "{}", set.out);
    let set = admin(&service, "devices set device-0001 --concurrent 2 --window-ms 1000");
    assert_eq!((set.code, set.errors.as_str()), (Some(0), ""), "{set:?}");
    let expected = json!({ "requests": 20, "window_ms": 1000, "tokens_per_minute": null, "concurrent": 2 });
    assert_eq!(limits().await, expected, "what is not named stays");
    admin(&service, "devices set device-0001 --unset requests,window-ms,user --all-models");
    let device = service.admin("GET", "/admin/devices/device-0001", None).await.json();
    assert_eq!((&device["limits"]["requests"], &device["limits"]["concurrent"]), (&Value::Null, &json!(2)));
    assert_eq!((&device["user"], &device["models"]), (&Value::Null, &json!([])));
    assert_eq!(admin(&service, "devices set device-0001").code, Some(64), "nothing to change");

    let token = service.token().await;
    let revoked = admin(&service, "devices revoke device-0001 --reason lost");
    assert!(revoked.out.contains("lost") && revoked.errors.is_empty(), "{revoked:?}");
    let unknown = admin(&service, "devices revoke device-9999");
    assert!(unknown.code == Some(0) && unknown.out.contains("device-9999"), "{unknown:?}");
    assert!(unknown.errors.contains("no device with this id has been seen"), "{unknown:?}");
    assert_eq!(service.messages(&token, BODY).await.error_code(), "token_revoked");
    assert!(admin(&service, "devices restore device-0001").out.contains("\nSTATE              active\n"));
    assert_ne!(service.messages(&token, BODY).await.status, 401);
    let seen = async || service.admin("GET", "/admin/devices/device-0001", None).await.json()["last_seen"].is_u64();
    service.until(seen).await; // or the record of this request would list the device again
    assert_eq!(admin(&service, "devices delete device-0001").code, Some(0));
    let again = admin(&service, "devices delete device-0001");
    assert_eq!((again.code, again.errors.as_str()), (Some(1), "valetkey: not_found: There is no such device\n"));
    let trail = service.admin("GET", "/admin/audit", None).await.json();
    assert!(trail["items"].as_array().unwrap().iter().all(|item| item["actor"] == "admin/ann"), "{trail}");
}

#[tokio::test]
async fn budgets_are_governed_by_commands() {
    let service = TestService::start("http://127.0.0.1:9");
    let set = admin(&service, "budgets set user ada --day 5 --month 50.25");
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.errors.contains("nothing was said of this one before"), "{set:?}");
    let beginning =
        "KIND            user\nNAME            ada\nBY DEFAULT      no\nDAY             5.000000\nDAY SPENT       ";
    assert!(set.out.starts_with(beginning) && set.out.contains("\nMONTH           50.250000\n"), "{}", set.out);
    let set = admin(&service, "budgets set user ada --week 7");
    assert_eq!((set.code, set.errors.as_str()), (Some(0), ""), "{set:?}");
    assert_eq!(admin(&service, "budgets list").out, BUDGETS, "it replaced all that was said before");
    assert_eq!(admin(&service, "budgets set org acme --unlimited").code, Some(0));
    let show = admin(&service, "budgets show device device-0001").out;
    assert!(show.starts_with("KIND            device\nNAME            device-0001\nBY DEFAULT      yes\n"), "{show}");
    assert_eq!(admin(&service, "budgets remove user ada").out, "Removed; the service's default is in force\n");
    let again = admin(&service, "budgets remove user ada");
    assert_eq!((again.code, again.errors.as_str()), (Some(1), "valetkey: not_found: There is no such budget\n"));

    let budget = async || service.admin("GET", "/admin/devices/device-0001", None).await.json()["budget"].clone();
    assert_eq!(admin(&service, "devices set device-0001 --budget-day 5 --budget-month 0.5").code, Some(0));
    assert_eq!(budget().await, json!({ "day_usd": 5.0, "week_usd": null, "month_usd": 0.5 }));
    assert_eq!(admin(&service, "devices set device-0001 --no-budget").code, Some(0));
    assert_eq!(budget().await, json!({ "day_usd": null, "week_usd": null, "month_usd": null }));
    assert_eq!(admin(&service, "devices set device-0001 --unset budget").code, Some(0));
    assert_eq!(budget().await, Value::Null);
    for misused in [
        "budgets set user ada",
        "budgets set user ada --day 5 --unlimited",
        "budgets set user ada --day 0.0000001",
        "budgets set device device-0001 --day 5",
        "devices set device-0001 --no-budget --budget-day 1",
    ] {
        assert_eq!(admin(&service, misused).code, Some(64), "{misused}");
    }
}

#[tokio::test]
async fn features_are_governed_by_commands() {
    let service = TestService::start("http://127.0.0.1:9");
    let features = async || service.admin("GET", "/admin/devices/device-0001", None).await.json()["features"].clone();
    let set = admin(&service, "devices set device-0001 --features fast_mode=off");
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.out.contains("\nFEATURES           {\"fast_mode\":false}\n"), "{}", set.out);
    let set = admin(&service, "devices set device-0001 --features server_tools=web_fetch+web_search,fast_mode=off");
    assert_eq!(set.code, Some(0), "{set:?}");
    assert_eq!(features().await, json!({ "server_tools": ["web_fetch", "web_search"], "fast_mode": false }));
    assert_eq!(admin(&service, "devices set device-0001 --features betas=none,max_tokens=8192").code, Some(0));
    assert_eq!(features().await, json!({ "betas": [], "max_tokens": 8192 }), "it replaced what was said before");
    assert_eq!(admin(&service, "devices set device-0001 --unset features").code, Some(0));
    assert_eq!(features().await, Value::Null);
    for (misused, says) in [
        ("web_search=off", "names no feature"),
        ("fast_mode=maybe", "is neither on nor off"),
        ("fast_mode=off,fast_mode=on", "that an earlier word names"),
    ] {
        let ended = admin(&service, &format!("devices set device-0001 --features {misused}"));
        assert!(ended.code == Some(64) && ended.errors.contains(says), "{ended:?}");
    }
}

#[tokio::test]
async fn tokens_and_revocations_are_governed_by_commands() {
    let service = TestService::start("http://127.0.0.1:9");
    let minted = admin(&service, "tokens mint device-0001 --ttl-seconds 600 --json").out;
    let minted: Value = serde_json::from_str(&minted).unwrap();
    let token = format!("sk-ant-proxy-{}\n", minted["token"].as_str().unwrap());
    let inspect = || admin_reading(&service, "tokens inspect", &token);
    let good = inspect();
    assert!(good.out.starts_with("GOOD         yes\nFAULT        -\nDEVICE       device-0001\n"), "{good:?}");
    let file = TemporaryFile::with(token.as_bytes());
    assert_eq!(admin(&service, &format!("tokens inspect {}", file.path().display())).out, good.out);
    let revoked = admin(&service, &format!("tokens revoke {}", minted["jti"].as_str().unwrap()));
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    assert!(inspect().out.starts_with("GOOD         no\nFAULT        token_outdated\n"));

    // Names of tokens are random, and may begin as a flag does.
    for hyphenated in
        ["tokens revoke -Dabc --reason lost", "tokens revoke --reason lost -Eabc", "revocations add --jti -Fabc"]
    {
        assert_eq!(admin(&service, hyphenated).code, Some(0), "{hyphenated}");
    }

    let added = admin(&service, "revocations add --app-version 1.2.3 --reason bad --json").out;
    let id = serde_json::from_str::<Value>(&added).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(admin(&service, &format!("revocations remove {id}")).out, "Removed\n");
    let again = admin(&service, &format!("revocations remove {id}"));
    assert_eq!((again.code, again.errors.as_str()), (Some(1), "valetkey: not_found: There is no such revocation\n"));
    assert_eq!(admin(&service, "revocations add --issued-before 1000").code, Some(0));
    let future = admin(&service, "revocations add --issued-before 99999999999");
    assert!(future.code == Some(1) && future.errors.starts_with("valetkey: invalid: `issued_before`"), "{future:?}");
    for misused in ["revocations add", "revocations add --jti a --org b", "revocations add --device a*b"] {
        assert_eq!(admin(&service, misused).code, Some(64), "{misused}");
    }
}

#[tokio::test]
async fn a19_a_wrong_token_is_refused_and_none_is_no_use() {
    let service = TestService::start("http://127.0.0.1:9");
    let url = ("ADMIN_URL", service.admin_url());
    let wrong = run_with(&["admin", "devices", "list"], &[url, ("ADMIN_TOKEN", "a-wrong-token")], "");
    let expected = "valetkey: unauthorized: The admin token is missing or wrong\n";
    assert_eq!((wrong.code, wrong.out.as_str(), wrong.errors.as_str()), (Some(1), "", expected));
    for (none, said) in [("", "no admin token"), ("a\nb", "no header can carry")] {
        let ended = run_with(&["admin", "devices", "list"], &[url, ("ADMIN_TOKEN", none)], "");
        assert!(ended.code == Some(64) && ended.errors.contains(said), "{ended:?}");
    }
    let flag = run_with(&["admin", "devices", "list", "--token", ADMIN_TOKEN], &[url], "");
    assert_eq!(flag.code, Some(64), "there is no such flag: others can see it");
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_comes_from_a_file_that_others_had_better_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let service = TestService::start("http://127.0.0.1:9");
    let file = TemporaryFile::with(format!("{ADMIN_TOKEN}\n").as_bytes());
    let path = file.path().display().to_string();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let settings = [("ADMIN_URL", service.admin_url()), ("ADMIN_TOKEN", "a-wrong-token")];
        let ended = run_with(&["admin", "devices", "list", "--token-file", &path], &settings, "");
        assert_eq!((ended.code, ended.errors.contains("can be read by others")), (Some(0), warned), "{ended:?}");
    }
    let none = run_with(&["admin", "devices", "list", "--token-file", "/nowhere/token"], &[], "");
    assert!(none.code == Some(64) && none.errors.contains("/nowhere/token"), "{none:?}");
}

#[tokio::test]
async fn an_admin_listener_with_a_certificate_of_ones_own_is_trusted_by_its_file() {
    let secured = Secured::start_with(|flags| flags.set("ADMIN_HOST", "0.0.0.0"));
    let url = secured.service.admin_url().replace("0.0.0.0", "127.0.0.1");
    let root = TemporaryFile::with(secured.certificate.root_pem.as_bytes());
    let root = root.path().display().to_string();
    let list = ["admin", "devices", "list", "--url", url.as_str()];
    let trusting = |file: &str| run_with(&[&list[..], &["--ca-file", file]].concat(), &TOKEN, "");
    let ended = trusting(&root);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = run_with(&list, &TOKEN, "");
    assert_eq!(ended.code, Some(69), "{ended:?}");
    for file in ["/nowhere/ca.pem", "/dev/null"] {
        let ended = trusting(file);
        assert!(ended.code == Some(64) && ended.errors.contains(file), "{ended:?}");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_and_what_is_no_admin_api_are_said() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = run_with(&["admin", "devices", "list", "--url", &format!("http://{gone}")], &TOKEN, "");
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.errors.contains(&format!("cannot connect to http://{gone}/admin/devices")), "{ended:?}");
    let service = TestService::start("http://127.0.0.1:9");
    let ended = run_with(&["admin", "devices", "list", "--url", &service.url], &TOKEN, "");
    assert!(ended.code == Some(1) && ended.errors.contains("is it the admin listener's address?"), "{ended:?}");
    for url in ["ftp://127.0.0.1", "127.0.0.1:3002", "http://user:canary@127.0.0.1"] {
        let ended = run_with(&["admin", "devices", "list", "--url", url], &TOKEN, "");
        assert!(ended.code == Some(64) && !ended.errors.contains("canary"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_token_does_not_go_over_a_network_that_can_read_it() {
    for url in ["http://192.0.2.1:3002", "http://admin.example"] {
        let ended = run_with(&["admin", "devices", "list", "--url", url], &TOKEN, "");
        assert!(ended.code == Some(64) && ended.errors.contains("--insecure"), "{ended:?}");
    }
    // A proxy of the environment would be shown it too.
    let service = TestService::start("http://127.0.0.1:9");
    let settings = [TOKEN[0], ("ADMIN_URL", service.admin_url()), ("HTTP_PROXY", "http://127.0.0.1:9")];
    assert_eq!(run_with(&["admin", "devices", "list"], &settings, "").code, Some(0));
}

#[test]
fn the_help_names_the_exit_codes() {
    let help = run_with(&["admin", "--help"], &TOKEN, "");
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("0 done, 1 refused or failed, 64 used incorrectly, 69 cannot connect"), "{}", help.out);
    assert!(!help.out.contains(ADMIN_TOKEN), "{}", help.out);
    for misused in [&["admin"][..], &["admin", "nonsense"], &["admin", "devices"], &["nonsense"]] {
        assert_eq!(run_with(misused, &[], "").code, Some(64), "{misused:?}");
    }
}

fn admin(service: &TestService, command: &str) -> Ended {
    admin_reading(service, command, "")
}

/// Runs `valetkey admin` with words that have no blanks in them.
fn admin_reading(service: &TestService, command: &str, input: &str) -> Ended {
    let words: Vec<_> = ["admin"].into_iter().chain(command.split_whitespace()).collect();
    run_with(&words, &[TOKEN[0], ("ADMIN_URL", service.admin_url()), ("USER", "ann")], input)
}

/// A service whose database has always the same in it.
async fn fixed() -> (TestDatabase, TestService) {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let unanswered = UsageRow {
        status: None,
        model_answered: None,
        cost_certainty: Some(CostCertainty::Unknown),
        ..row("req_2", device(1), at(NOON + 1000))
    };
    let misleading = UsageRow {
        user: Some("\u{202e}eve".to_owned()),
        cost_certainty: Some(CostCertainty::Exact),
        ..row("req_3", device(2), at(NOON + 100_000))
    };
    store
        .usage()
        .insert(&[row("req_1", device(1), at(NOON)), unanswered, misleading], SystemTime::now())
        .await
        .unwrap();
    let entry = NewAuditEntry {
        actor: "admin/ann".to_owned(),
        source: Some("2001:db8::1".parse().unwrap()),
        action: "PATCH".to_owned(),
        target: Some("/admin/devices/device-0001".to_owned()),
        detail: Some(json!({ "org": "acme" })),
        outcome: AuditOutcome::Done,
    };
    let mut change = store.change(&entry, at(NOON + 100_000)).await.unwrap();
    let odd = DevicePatch {
        user: Some(Some("ada\u{1b}[2J".to_owned())),
        models: Some(Some(vec!["claude-haiku-*".to_owned(), "claude-sonnet-5".to_owned()])),
        limits: Some(LimitOverrides { requests: Some(20), ..LimitOverrides::default() }),
        ..DevicePatch::default()
    };
    change.patch_device(&device(1), &odd).await.unwrap();
    let revoked = DevicePatch { state: Some(DeviceState::Revoked), ..DevicePatch::default() };
    change.patch_device(&device(2), &revoked).await.unwrap();
    change.patch_device(&device(3), &DevicePatch::default()).await.unwrap();
    change.commit().await.unwrap();
    let service = on(&database);
    (database, service)
}

fn on(database: &TestDatabase) -> TestService {
    TestService::start_with("http://127.0.0.1:9", |flags| flags.set("DATABASE_URL", database.setting()))
}

/// Some time on 14 November 2023.
const NOON: u64 = 1_700_000_000_000;

const TOKEN: [(&str, &str); 1] = [("ADMIN_TOKEN", ADMIN_TOKEN)];

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;

const DEVICES: &str = r#"DEVICE       STATE    LAST SEEN             ORG   USER          MODELS
device-0001  active   2023-11-14T22:13:21Z  acme  ada\u{1b}[2J  claude-haiku-*,claude-sonnet-5
device-0002  revoked  2023-11-14T22:15:00Z  acme  \u{202e}eve   -
device-0003  active   -                     -     -             -
"#;

const DEVICE: &str = r#"DEVICE             device-0001
STATE              active
FIRST SEEN         2023-11-14T22:13:20Z
LAST SEEN          2023-11-14T22:13:21Z
ORG                acme
USER               ada\u{1b}[2J
MODELS             claude-haiku-*,claude-sonnet-5
FEATURES           -
REQUESTS           20
WINDOW MS          -
TOKENS PER MINUTE  -
CONCURRENT         -
BUDGET             -
KEY                -
"#;

const BUDGETS: &str = "\
KIND  NAME  DAY  SPENT      WEEK     SPENT  MONTH  SPENT
user  ada     -      -  7.000000  0.000000      -      -
";

const USAGE: &str = r#"DEVICE       REQUESTS  INPUT  OUTPUT  CACHE WRITE  CACHE READ       USD  EXACT USD  ESTIMATED USD  UNKNOWN COST
device-0001         2      2      40         8600      100000  0.000014   0.000000       0.000014             1
device-0002         1      1      20         4300       50000  0.000007   0.000007       0.000000             0
total               3      3      60        12900      150000  0.000021   0.000007       0.000014             1
"#;

const USAGE_BY_USER: &str = r#"USER         REQUESTS  INPUT  OUTPUT  CACHE WRITE  CACHE READ       USD  EXACT USD  ESTIMATED USD  UNKNOWN COST
-                   2      2      40         8600      100000  0.000014   0.000000       0.000014             1
\u{202e}eve         1      1      20         4300       50000  0.000007   0.000007       0.000000             0
total               3      3      60        12900      150000  0.000021   0.000007       0.000014             1
"#;

const REQUESTS: &str = r#"FINISHED              DEVICE       USER         MODEL           STATUS  ENDED          MS  INPUT  OUTPUT  CACHE READ       USD  CERTAINTY
2023-11-14T22:15:00Z  device-0002  \u{202e}eve  model-answered     200  upstream_cut  345      1      20       50000  0.000007  exact
2023-11-14T22:13:21Z  device-0001  -            model-asked          -  upstream_cut  345      1      20       50000  0.000007  unknown
2023-11-14T22:13:20Z  device-0001  -            model-answered     200  upstream_cut  345      1      20       50000  0.000007  estimated
"#;

const AUDIT: &str = r#"TIME                  ACTOR      FROM         OUTCOME  METHOD  PATH                        DETAIL
2023-11-14T22:15:00Z  admin/ann  2001:db8::1  done     PATCH   /admin/devices/device-0001  {"org":"acme"}
"#;
