//! Apache's mod_md in front of the gateway: it is told its window, and renews in it with `replaces`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use instant_acme::NewOrder;

use super::acme::{Front, dns, settled};
use super::pebble::Pebble;
use super::watching::until;
use crate::process::offpeak;
use crate::tools::{run, tool};

/// Far longer than it takes; only a hang waits for it.
const LONG: Duration = Duration::from_mins(1);

/// Where Debian has them.
const MODULES: &str = "/usr/lib/apache2/modules";

/// An Apache that manages one domain; ended when it is dropped.
struct Apache {
    child: Child,
    folder: PathBuf,
}

impl Apache {
    /// Starts one in this folder, so much later by its own clock. What it got before it was ended is in use
    /// then.
    fn start(front: &Front, folder: &Path, later: Option<&str>) -> Option<Self> {
        let program = tool("OFFPEAK_TEST_APACHE")?;
        let faketime = tool("OFFPEAK_TEST_FAKETIME")?;
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http, https] = free.map(|port| port.local_addr().unwrap().port());
        let file = folder.join("httpd.conf");
        fs::write(&file, configuration(front, folder, http, https)).unwrap();
        let mut command = match later {
            Some(later) => {
                let mut command = Command::new(faketime);
                command.args(["-f", later]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(["-DFOREGROUND", "-f"])
            .arg(&file)
            .env("no_proxy", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("out")).unwrap())
            .spawn()
            .expect("Apache starts");
        Some(Self {
            child,
            folder: folder.to_owned(),
        })
    }

    /// Waits for something of it.
    fn until<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        let found = self.within(LONG, &look);
        found.unwrap_or_else(|| panic!("{}", self.log()))
    }

    /// Waits so long for something of it.
    fn within<T>(&self, limit: Duration, look: &impl Fn(&Self) -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            let found = look(self);
            if found.is_some() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("out") + &read("error")
    }

    /// The CertID of the certificate that is fetched and is used from the next start on.
    fn staged(&self) -> Option<String> {
        let done = self.log().contains("AH10059");
        let file = self.folder.join("md/staging/a.example/pubcert.pem");
        (done && file.exists()).then(|| cert_id(&file))
    }
}

impl Drop for Apache {
    /// Its parent process ends the others. `faketime` becomes it.
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
        let _ = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", pid.trim())])
            .status();
        let _ = self.child.wait();
    }
}

fn configuration(front: &Front, folder: &Path, http: u16, https: u16) -> String {
    let modules = ["mpm_event", "authz_core", "socache_shmcb", "ssl", "md"];
    let modules = modules
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .concat();
    let folder = folder.display();
    format!(
        "ServerRoot {folder}\nServerName localhost\nPidFile {folder}/pid\n\
         ErrorLog {folder}/error\nDefaultRuntimeDir {folder}\nMutex file:{folder}\n\
         Listen 127.0.0.1:{http}\nListen 127.0.0.1:{https}\n{modules}\
         LogLevel warn md:debug\nUser www-data\nGroup www-data\n\
         MDStoreDir {folder}/md\nMDCertificateAuthority {}\nMDCACertificateFile {}\n\
         MDCertificateAgreement accepted\nMDContactEmail ops@offpeak.example\n\
         MDPortMap http:{http} https:{https}\nMDCAChallenges http-01\n\
         MDInitialDelay 0s\nMDCheckInterval 1s\nMDRetryDelay 1s\nMDomain a.example\n\
         <VirtualHost 127.0.0.1:{https}>\nServerName a.example\nSSLEngine on\n</VirtualHost>\n",
        front.directory,
        front.certificate().display(),
    )
}

fn cert_id(certificate: &Path) -> String {
    let printed = run(offpeak().arg("certid").arg(certificate));
    printed.split('\t').next().unwrap().to_owned()
}

/// A folder that whoever Apache becomes may enter.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_gets_its_window_and_renews_after_a_revocation_with_replaces() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    let folder = folder();
    let Some(apache) = Apache::start(&front, folder.path(), None) else {
        return;
    };
    let id = apache.until(Apache::staged);
    drop(apache);
    fs::remove_file(folder.path().join("error")).unwrap();
    let path = format!("/v1/certificates/{id}/revoked");
    let api = &front.server.api;
    let revoked = api.send(&path, "application/json", "{}".to_owned()).await;
    assert_eq!(revoked.unwrap().status(), 200);
    let (_, info) = front.renewal_info(&id).await;
    // It has the certificate in use now, asks at once, and takes a time in the window or up to half its length
    // before it.
    let apache = Apache::start(&front, folder.path(), None).expect("it was there");
    let (from, to) = (
        &info["suggestedWindow"]["start"],
        &info["suggestedWindow"]["end"],
    );
    let report = format!(
        "CA advises renew via ARI between {} and {}",
        from.as_str().unwrap(),
        to.as_str().unwrap()
    );
    apache.until(|apache| apache.log().contains(&report).then_some(()));
    drop(apache);
    fs::remove_file(folder.path().join("error")).unwrap();
    // Under a clock of another time the threads of Apache sometimes never wake.
    let renewed = (0..3).find_map(|_| {
        let apache = Apache::start(&front, folder.path(), Some("+1h")).expect("it was there");
        apache.within(LONG / 3, &Apache::staged)
    });
    assert_ne!(renewed.as_ref().expect("it renews"), &id);
    let explained = settled(&front, &id).await;
    assert_eq!(
        explained["replacedBy"]["by"].as_str(),
        renewed.as_deref(),
        "{explained}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_waits_for_an_answer_that_is_held() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    // The second order's turn comes after 18.9 s.
    let front = Front::of(&pebble, "new_orders_per_second = 0.053");
    let account = front.account().await;
    let names = dns(&["b.example"]);
    let begun = Instant::now();
    account.new_order(&NewOrder::new(&names)).await.unwrap();
    let folder = folder();
    let Some(apache) = Apache::start(&front, folder.path(), None) else {
        return;
    };
    apache.until(Apache::staged);
    assert!(begun.elapsed() > Duration::from_secs(18), "it was not held");
    assert_eq!(front.answered("new-order", 201).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_comes_back_by_its_own_delays_where_it_is_turned_away() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let more = "new_orders_per_second = 0.01\nhold = \"0s\"";
    let front = Front::of(&pebble, more);
    let account = front.account().await;
    let names = dns(&["b.example"]);
    account.new_order(&NewOrder::new(&names)).await.unwrap();
    let folder = folder();
    let Some(apache) = Apache::start(&front, folder.path(), None) else {
        return;
    };
    // It does not look at Retry-After, which says a minute or more.
    until(async || (front.answered("new-order", 503).await >= 2).then_some(())).await;
    assert!(apache.staged().is_none());
}
