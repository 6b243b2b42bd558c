use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;
use crate::clock::SystemClock;
use crate::secret::Secret;
use crate::service::base::watched_file::{SETTLE, follow};
use crate::service::enrol::issuer::Issuer;
use crate::service::govern::access::AccessPolicy;
use crate::service::govern::budgets::{Budgets, Subject};
use crate::service::govern::overrides::DeviceOverrides;
use crate::service::govern::revocation::Revocations;
use crate::service::http::allowed_hosts::AllowedHost;
use crate::service::meter::usage::Tokens;
use crate::service::relay::key_swap::{KeySwap, UpstreamAuth};
use crate::service::run::reload::ReloadMetrics;
use crate::service::token::keyring::{KeyList, KeyRing};
use crate::wire::DeviceId;

type Spoil = fn(&Path);

/// A followed configuration in its own folder, in virtual time.
struct Followed {
    folder: tempfile::TempDir,
    reloadable: Reloadable,
    signal: UnboundedSender<()>,
}

impl Followed {
    /// The file has `text`, in which `@` stands for the folder; flags add `given`.
    fn start(text: &str, mut given: Flags) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("valetkey.toml");
        fs::write(&path, text.replace('@', &folder.path().display().to_string())).unwrap();
        given.set("CONFIG_FILE", path.display().to_string());
        if !text.contains("anthropic_api_key") {
            given.set("ANTHROPIC_API_KEY", "sk-ant-canary");
        }
        let config = Config::read(&given).unwrap();
        let reloadable = reloadable(&config);
        let copy = Reloadable {
            overrides: Arc::clone(&reloadable.overrides),
            budgets: reloadable.budgets.clone(),
            issuer: Arc::clone(&reloadable.issuer),
            key: reloadable.key.clone(),
            admin_token: Arc::clone(&reloadable.admin_token),
            prices: Arc::clone(&reloadable.prices),
            hosts: Arc::clone(&reloadable.hosts),
            settings: Arc::clone(&reloadable.settings),
            metrics: Arc::clone(&reloadable.metrics),
        };
        let mut followers = [follower(config.sources, config.prices.file, copy).unwrap()];
        let (signal, mut signals) = unbounded_channel();
        tokio::spawn(async move {
            follow(&mut followers, async move || signals.recv().await.unwrap_or_default()).await;
        });
        Self { folder, reloadable, signal }
    }

    /// The settings that administrators see.
    fn shown(&self) -> serde_json::Value {
        serde_json::to_value(&**self.reloadable.settings.load()).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and waits longer than the interval of looks.
    async fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text.replace('@', &self.folder.path().display().to_string())).unwrap();
        later().await;
    }

    fn requests(&self) -> u32 {
        self.reloadable.overrides.rules(None).0.requests.map_or(0, std::num::NonZeroU32::get)
    }

    fn models(&self) -> Vec<String> {
        let device = DeviceId::parse("device-0001").unwrap();
        self.reloadable.issuer.mint(device, Duration::from_secs(60)).ok().unwrap().0.models
    }

    /// Price of a million input tokens, in dollars.
    fn price(&self, model: &str) -> u64 {
        let million = Tokens { input_tokens: 1_000_000, ..Tokens::default() };
        self.reloadable.prices.load().cost(model, SystemTime::now(), &million).amount.get() / 1_000_000
    }

    /// Whether administrators need this token now.
    fn has_admin_token(&self, token: &str) -> bool {
        self.reloadable.admin_token.load_full().is_some_and(|held| held.matches(token.as_bytes()))
    }

    /// Number of applied and of refused reloads.
    fn reloads(&self) -> (u64, u64) {
        self.reloadable.metrics.counts()
    }
}

fn reloadable(config: &Config) -> Reloadable {
    let overrides = Arc::new(DeviceOverrides::new(config.limits, config.features.clone()));
    let access = AccessPolicy {
        overrides: Arc::clone(&overrides),
        revocations: Arc::new(Revocations::new(config.admin.max_staleness)),
    };
    let issuer = Issuer::new(
        Arc::new(KeyRing::new(&KeyList::of_one(Secret::new("Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe")))),
        Arc::new(SystemClock),
        config.tokens.clone(),
        config.terms.clone(),
        (config.enrolment.clone(), None),
        access,
    );
    Reloadable {
        overrides,
        budgets: Budgets::new(config.budgets),
        issuer: Arc::new(issuer),
        key: Some(Arc::new(KeySwap::new(UpstreamAuth::ApiKey, Secret::new("sk-ant-canary")))),
        admin_token: Arc::new(ArcSwapOption::from_pointee(config.admin.token.clone())),
        prices: Arc::new(ArcSwap::from_pointee(config.prices.table.clone())),
        hosts: Arc::new(ArcSwap::from_pointee(config.hosts.clone())),
        settings: Arc::new(ArcSwap::from_pointee(config.shown.clone())),
        metrics: Arc::new(ReloadMetrics::default()),
    }
}

async fn later() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

fn priced(model: &str, input: u32) -> String {
    format!(
        "[[price]]\nmodels = [\"{model}\"]\ninput = {input}\noutput = 1\ncache_write_5m = 1\ncache_write_1h = 1\n\
         cache_read = 1\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_in_force_within_seconds() {
    let followed = Followed::start("rate_limit_max = 5\n", Flags::default());
    later().await;
    assert_eq!((followed.requests(), followed.models(), followed.reloads()), (5, vec![], (0, 0)));
    followed.write("valetkey.toml", "rate_limit_max = 6\nallowed_models = [\"claude-a\"]\n").await;
    assert_eq!((followed.requests(), followed.models(), followed.reloads()), (6, vec!["claude-a".into()], (1, 0)));
    let shown = followed.shown();
    assert_eq!((&shown["RATE_LIMIT_MAX"], &shown["ALLOWED_MODELS"][0]), (&6.into(), &"claude-a".into()));
    followed.write("valetkey.toml", "").await;
    assert_eq!((followed.requests(), followed.models(), followed.reloads()), (100, vec![], (2, 0)));
}

#[tokio::test(start_paused = true)]
async fn a35_hosts_are_allowed_as_soon_as_the_file_lists_them() {
    let followed = Followed::start("", Flags::default());
    let hosts = || {
        let hosts = followed.reloadable.hosts.load();
        (hosts.listed.clone(), hosts.of_base_url.clone())
    };
    assert_eq!(hosts(), (vec![], None));
    followed
        .write("valetkey.toml", "allowed_hosts = [\"a.example:1\"]\nproxy_base_url = \"https://b.example\"\n")
        .await;
    assert_eq!(hosts(), (vec![AllowedHost::parse("a.example:1").unwrap()], AllowedHost::parse("b.example")));
    followed.write("valetkey.toml", "allowed_hosts = \"a.example/x\"\n").await;
    assert_eq!((hosts().0.len(), followed.reloads()), (1, (1, 1)), "a bad list changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_variable_stays_stronger_than_the_file() {
    let given = Flags::of([("RATE_LIMIT_MAX", "7")]);
    let followed = Followed::start("rate_limit_max = 5\n", given);
    followed.write("valetkey.toml", "rate_limit_max = 6\n").await;
    assert_eq!((followed.requests(), followed.reloads()), (7, (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn settings_that_need_a_restart_are_neither_in_force_nor_shown_as_such() {
    let followed = Followed::start("workers = 1\n", Flags::default());
    followed.write("valetkey.toml", "workers = 2\ntokens_per_minute = 9\n").await;
    let shown = followed.shown();
    assert_eq!((&shown["WORKERS"], &shown["TOKENS_PER_MINUTE"]), (&1.into(), &9.into()));
    assert_eq!(followed.reloads(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn default_budgets_follow_the_file_and_budgets_of_single_users_stay() {
    let followed = Followed::start("device_budget = \"5/day\"\n", Flags::default());
    let (device, user) = (Subject::Device(DeviceId::parse("device-0001").unwrap()), Subject::User("ada".into()));
    let words = |subject: &Subject| followed.reloadable.budgets.limits(subject).0.words();
    assert_eq!((words(&device), words(&user)), (vec!["5/day".to_owned()], vec![]));
    followed.reloadable.budgets.limit(&user, Some(followed.reloadable.budgets.limits(&device).0));
    followed.write("valetkey.toml", "device_budget = [\"20/week\", \"6.50/day\"]\nuser_budget = \"1/day\"\n").await;
    assert_eq!((words(&device), words(&user)), (vec!["6.5/day".into(), "20/week".into()], vec!["5/day".into()]));
    let shown = followed.shown();
    assert_eq!((&shown["DEVICE_BUDGET"][1], &shown["USER_BUDGET"][0]), (&"20/week".into(), &"1/day".into()));
    followed.write("valetkey.toml", "").await;
    assert!(words(&device).is_empty(), "no limit");
}

#[tokio::test(start_paused = true)]
async fn f26_a_bad_file_is_counted_once_and_changes_nothing_and_a_good_file_is_applied_again() {
    let followed = Followed::start("rate_limit_max = 5\n", Flags::default());
    let path = followed.at("valetkey.toml");
    let bad: [(&str, Spoil); 6] = [
        ("no TOML", |path| fs::write(path, "rate_limit_max = = 6").unwrap()),
        ("an unknown key", |path| fs::write(path, "rate_limit_max = 6\nspeed = 1").unwrap()),
        ("a bad value", |path| fs::write(path, "rate_limit_max = 6\nport = -1").unwrap()),
        ("not UTF-8", |path| fs::write(path, [0xff]).unwrap()),
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("too long", |path| fs::write(path, vec![b'#'; 2 << 20]).unwrap()),
    ];
    for (number, (name, spoil)) in (1..).zip(bad) {
        spoil(&path);
        later().await;
        later().await;
        assert_eq!((followed.requests(), followed.reloads()), (5, (0, number)), "{name}");
        assert!(followed.reloadable.metrics.is_refused(), "{name}");
    }
    followed.write("valetkey.toml", "rate_limit_max = 6\n").await;
    assert_eq!((followed.requests(), followed.reloads().0), (6, 1));
    assert!(!followed.reloadable.metrics.is_refused());
}

#[tokio::test(start_paused = true)]
async fn f26_a_half_written_file_is_not_applied_until_it_is_complete() {
    let followed = Followed::start("rate_limit_max = 5\n", Flags::default());
    let whole = "# fewer from now on\nrate_limit_max = 40\nworkers = 3\n";
    // Every part is written within the time that a content must stay unchanged; some parts alone would be good files.
    for end in 0..whole.len() {
        fs::write(followed.at("valetkey.toml"), &whole[..end]).unwrap();
        tokio::time::sleep(SETTLE / 2).await;
        assert_eq!((followed.requests(), followed.reloads()), (5, (0, 0)));
    }
    followed.write("valetkey.toml", whole).await;
    assert_eq!((followed.requests(), followed.reloads()), (40, (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn prices_follow_their_file_and_a_bad_file_leaves_the_prices_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let prices = folder.path().join("prices.toml");
    fs::write(&prices, priced("claude-opus-5", 50)).unwrap();
    let given = Flags::of([("PRICES_FILE", &prices.display().to_string())]);
    let followed = Followed::start("", given);
    assert_eq!((followed.price("claude-opus-5"), followed.price("claude-opus-5-5")), (50, 4));
    fs::write(&prices, priced("claude-opus-5", 60)).unwrap();
    later().await;
    assert_eq!((followed.price("claude-opus-5"), followed.reloads()), (60, (1, 0)));
    fs::write(&prices, "[[price]]\nmodels = [\"claude-opus-5\"]\n").unwrap();
    later().await;
    assert_eq!((followed.price("claude-opus-5"), followed.reloads()), (60, (1, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_price_file_named_by_a_reload_is_followed_once_it_exists() {
    let followed = Followed::start("", Flags::default());
    followed.write("valetkey.toml", "prices_file = \"@/prices.toml\"\n").await;
    assert_eq!((followed.price("claude-opus-5"), followed.reloads()), (5, (0, 1)));
    followed.write("prices.toml", &priced("claude-opus-5", 7)).await;
    assert_eq!((followed.price("claude-opus-5"), followed.reloads()), (7, (1, 1)));
    followed.write("prices.toml", &priced("claude-opus-5", 8)).await;
    assert_eq!((followed.price("claude-opus-5"), followed.reloads()), (8, (2, 1)));
    followed.write("valetkey.toml", "").await;
    assert_eq!((followed.price("claude-opus-5"), followed.reloads()), (5, (3, 1)));
}

#[tokio::test(start_paused = true)]
async fn f89_a_secret_follows_its_file_and_a_bad_content_leaves_the_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let [one, other] = ["Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe", "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A"];
    fs::write(&path, format!("{one}\n")).unwrap();
    let followed = Followed::start("", Flags::of([("ADMIN_TOKEN_FILE", &path.display().to_string())]));
    assert!(followed.has_admin_token(one));
    let bad: [(&str, Spoil); 5] = [
        ("empty", |path| fs::write(path, "\n").unwrap()),
        ("two lines", |path| fs::write(path, "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A\nmore\n").unwrap()),
        ("weak", |path| fs::write(path, "short").unwrap()),
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("too long", |path| fs::write(path, vec![b'x'; 70_000]).unwrap()),
    ];
    for (number, (name, spoil)) in (1..).zip(bad) {
        spoil(&path);
        later().await;
        later().await;
        assert!(followed.has_admin_token(one), "{name}");
        assert_eq!(followed.reloads(), (0, number), "{name}");
    }
    fs::write(&path, format!("{other}\r\n")).unwrap();
    later().await;
    assert!(followed.has_admin_token(other) && !followed.has_admin_token(one));
    assert_eq!((followed.reloads().0, followed.reloadable.metrics.is_refused()), (1, false));
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn f89_a_link_that_points_elsewhere_is_a_change_as_kubernetes_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let [one, other] = ["Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe", "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A"];
    for (name, token) in [("..one", one), ("..other", other)] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("token"), token).unwrap();
    }
    std::os::unix::fs::symlink("..one", at("..data")).unwrap();
    std::os::unix::fs::symlink("..data/token", at("token")).unwrap();
    let followed = Followed::start("", Flags::of([("ADMIN_TOKEN_FILE", &at("token").display().to_string())]));
    assert!(followed.has_admin_token(one));
    std::os::unix::fs::symlink("..other", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    later().await;
    assert!(followed.has_admin_token(other));
}

#[tokio::test(start_paused = true)]
async fn f124_a_credential_that_is_away_for_a_moment_leaves_the_secret_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin_token");
    let [one, other] = ["Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe", "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A"];
    fs::write(&path, one).unwrap();
    let given = Flags::of([("CREDENTIALS_DIRECTORY", &folder.path().display().to_string())]);
    let followed = Followed::start("", given);
    assert!(followed.has_admin_token(one));
    fs::remove_file(&path).unwrap();
    later().await;
    assert!(followed.has_admin_token(one));
    assert_eq!(followed.reloads(), (0, 1));
    fs::write(&path, other).unwrap();
    later().await;
    assert!(followed.has_admin_token(other), "its file is followed on");
    fs::remove_file(&path).unwrap();
    followed.write("valetkey.toml", &format!("admin_token = \"{one}\"\n")).await;
    assert!(followed.has_admin_token(one), "it may move");
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_the_configuration_file_changes_without_a_restart_and_may_move_into_a_file_of_its_own() {
    let followed = Followed::start("anthropic_api_key = \"sk-ant-canary\"\n", Flags::default());
    assert!(!followed.has_admin_token("Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe"));
    followed
        .write(
            "valetkey.toml",
            "anthropic_api_key = \"sk-ant-other\"\nadmin_token = \"Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe\"\n",
        )
        .await;
    assert!(followed.has_admin_token("Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe"));
    followed.write("key", "sk-ant-third").await;
    followed.write("valetkey.toml", "anthropic_api_key_file = \"@/key\"\n").await;
    assert!(followed.reloadable.admin_token.load().is_none(), "without a token there is no admin API");
    let shown = followed.shown();
    let path = followed.at("key").display().to_string();
    assert_eq!((&shown["ANTHROPIC_API_KEY"], &shown["ANTHROPIC_API_KEY_FILE"]), (&"set".into(), &path.into()));
    assert_eq!(followed.reloads(), (2, 0));
    followed.write("key", "sk-ant-fourth\n").await;
    assert_eq!(followed.reloads(), (3, 0), "the file is followed from then on");
}

#[tokio::test(start_paused = true)]
async fn a_signal_reloads_unchanged_files_too() {
    let followed = Followed::start("", Flags::default());
    for expected in 1..=3 {
        followed.signal.send(()).unwrap();
        later().await;
        assert_eq!(followed.reloads(), (expected, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_file_there_is_nothing_to_follow() {
    let flags = Flags::of([("ANTHROPIC_API_KEY", "sk-ant-canary")]);
    let config = Config::read(&flags).unwrap();
    let reloadable = reloadable(&config);
    assert!(follower(config.sources, config.prices.file, reloadable).is_none());
}
