//! The loopback proxy's Unix socket: who may use it, and what becomes of its file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixStream;
use valetkey::client::error::ClientError;

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient};
use testkit::http::wire::{Response, Wire};

const MOMENT: Duration = Duration::from_secs(1);

/// A folder of this user that is closed to others, and the path of a socket in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

fn setup(service: &FakeService, path: &Path) -> Setup {
    Setup::new(&service.url).with("socketPath", path.to_str().unwrap())
}

async fn ask(path: &Path, lines: &str) -> Response {
    let mut wire = Wire::over(UnixStream::connect(path).await.unwrap());
    wire.send(format!("POST /v1/messages HTTP/1.1\r\n{lines}\r\ncontent-length: 2\r\n\r\n{{}}")).await;
    wire.response().await
}

async fn ask_well(path: &Path, client: &TestClient) -> u16 {
    ask(path, &format!("host: localhost\r\nauthorization: {}", client.bearer())).await.status()
}

fn is_config(error: &ClientError) -> bool {
    matches!(error, ClientError::Config(message) if message.contains("socketPath"))
}

#[tokio::test]
async fn a69_the_socket_serves_this_user_who_still_needs_the_launch_key_and_a_host_of_the_proxy() {
    let service = FakeService::start().await;
    let (_folder, path) = place();
    let client = setup(&service, &path).start().await;
    let facts = fs::symlink_metadata(&path).unwrap();
    assert!(facts.file_type().is_socket() && facts.permissions().mode() & 0o777 == 0o600, "{facts:?}");
    let (address, bearer) = (client.client.address, client.bearer());
    for host in ["localhost", "127.0.0.1", &address.to_string(), &format!("localhost:{}", address.port())] {
        let answer = ask(&path, &format!("host: {host}\r\nauthorization: {bearer}")).await;
        assert_eq!(answer.status(), 200, "{host}");
    }
    for (lines, status) in [
        ("host: localhost".to_owned(), 401),
        ("host: localhost\r\nauthorization: Bearer valet-wrong".to_owned(), 401),
        (format!("host: evil.example\r\nauthorization: {bearer}"), 403),
        (format!("host: localhost\r\norigin: https://evil.example\r\nauthorization: {bearer}"), 403),
    ] {
        assert_eq!(ask(&path, &lines).await.status(), status, "{lines}");
    }
    assert_eq!(service.count(Route::V1), 4);
    // The address stays, and there a bare host is still no host of the proxy.
    assert_eq!(client.messages("hello").await.status, 200);
    let bare = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nauthorization: {bearer}\r\n\r\n");
    assert_eq!(Wire::ask(&client.url(), bare).await.status(), 403);
}

#[tokio::test]
async fn a69_a_socket_in_a_folder_that_others_may_open_is_refused() {
    let service = FakeService::start().await;
    let (folder, _) = place();
    for mode in [0o755, 0o770, 0o701] {
        let open = folder.path().join(format!("{mode:o}"));
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(mode)).unwrap();
        let error = setup(&service, &open.join("socket")).refusal().await;
        assert!(is_config(&error), "{mode:o}: {error}");
        assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    }
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let linked = folder.path().join("linked");
    symlink(&closed, &linked).unwrap();
    let long = closed.join("x".repeat(120));
    for path in [linked.join("socket"), folder.path().join("absent/socket"), long, PathBuf::from("/")] {
        let error = setup(&service, &path).refusal().await;
        assert!(is_config(&error), "{}: {error}", path.display());
    }
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
    assert_eq!(service.tokens_asked(), 0);
}

#[tokio::test]
async fn f109_the_socket_that_a_crash_left_behind_is_replaced_and_the_own_one_goes_with_the_proxy() {
    let service = FakeService::start().await;
    let (_folder, path) = place();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let client = setup(&service, &path).start().await;
    assert_eq!(ask_well(&path, &client).await, 200);
    client.client.close(MOMENT).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn f109_a_socket_in_use_is_an_error_that_names_it_and_stays_with_its_owner() {
    let service = FakeService::start().await;
    let (_folder, path) = place();
    let first = setup(&service, &path).start().await;
    let error = setup(&service, &path).refusal().await;
    assert!(matches!(&error, ClientError::SocketInUse(taken) if *taken == path), "{error:?}");
    assert_eq!((error.code(), error.is_retryable()), ("VALET_PORT_IN_USE", true));
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(ask_well(&path, &first).await, 200);
}

#[tokio::test]
async fn f109_a_file_that_is_no_socket_and_a_socket_of_another_program_are_never_removed() {
    let service = FakeService::start().await;
    let (folder, path) = place();
    fs::write(&path, "notes").unwrap();
    assert!(is_config(&setup(&service, &path).refusal().await));
    assert_eq!(fs::read_to_string(&path).unwrap(), "notes");
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(is_config(&setup(&service, &link).refusal().await));
    assert!(link.exists());
    // Another program takes the place of the proxy's socket while the proxy runs.
    let own = folder.path().join("own");
    let client = setup(&service, &own).start().await;
    fs::remove_file(&own).unwrap();
    let _other = UnixListener::bind(&own).unwrap();
    client.client.close(MOMENT).await;
    assert!(own.exists());
}

#[tokio::test]
async fn f109_a_start_that_fails_leaves_no_socket() {
    let service = FakeService::start().await;
    service.always(Route::Bootstrap, Say::error("bootstrap_closed"));
    let (_folder, path) = place();
    assert!(matches!(setup(&service, &path).refusal().await, ClientError::Denied { .. }));
    assert!(!path.exists());
}
