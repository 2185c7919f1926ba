//! A real Chromium, driven over its debugging pipe: what a page shows, how it looks, and what it says
//! to assistive technology.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The browser has a start of seconds on a machine that does much else.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);

/// One tab of one browser, with a profile of its own; it ends when this is dropped.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    _profile: TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    /// Media features, by name and value.
    pub(crate) features: &'static [(&'static str, &'static str)],
    /// `screen` or `print`.
    pub(crate) media: &'static str,
}

/// As most people look at it.
pub(crate) const LIGHT: Look = Look {
    name: "light",
    width: 1_200,
    features: &[("prefers-color-scheme", "light")],
    media: "screen",
};
/// With a dark theme.
pub(crate) const DARK: Look = Look {
    name: "dark",
    features: &[("prefers-color-scheme", "dark")],
    ..LIGHT
};
/// With the few colours that the system allows.
pub(crate) const FORCED: Look = Look {
    name: "forced-colours",
    features: &[("forced-colors", "active")],
    ..LIGHT
};
/// On a small phone.
pub(crate) const PHONE: Look = Look {
    name: "phone",
    width: 320,
    ..LIGHT
};
/// On a small phone with a dark theme.
pub(crate) const DARK_PHONE: Look = Look {
    name: "dark-phone",
    width: 320,
    ..DARK
};
/// On paper: A4 at 96 dots an inch.
pub(crate) const PRINT: Look = Look {
    name: "print",
    width: 794,
    media: "print",
    ..LIGHT
};

/// With motion reduced.
pub(crate) const STILL: Look = Look {
    name: "still",
    features: &[("prefers-reduced-motion", "reduce")],
    ..LIGHT
};

/// A key of a keyboard.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    Down,
    Enter,
    Space,
    Tab,
}

impl Browser {
    /// Starts this program.
    pub(crate) fn start(chromium: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        // It reads commands from file descriptor 3 and writes answers to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let commands = child.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let (heard, messages) = mpsc::channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let value = serde_json::from_slice(&message).expect("JSON");
                if heard.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            session: None,
            last_id: 0,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &target);
        browser.session = Some(
            attached["sessionId"]
                .as_str()
                .expect("a session")
                .to_owned(),
        );
        browser.call("Page.enable", &json!({}));
        browser.call("Runtime.enable", &json!({}));
        browser.call("Log.enable", &json!({}));
        browser
    }

    /// Sets the clock and the zone of every page that is opened from now on.
    pub(crate) fn set_clock(&mut self, unix_seconds: i64, zone: &str) {
        let script = format!(
            "{{ const offset = {unix_seconds}000 - Date.now(); const Real = Date;
                globalThis.Date = class extends Real {{
                    constructor(...of) {{ if (of.length) super(...of); else super(Real.now() + offset); }}
                    static now() {{ return Real.now() + offset; }}
                }}; }}"
        );
        let source = json!({"source": script});
        self.call("Page.addScriptToEvaluateOnNewDocument", &source);
        self.call(
            "Emulation.setTimezoneOverride",
            &json!({"timezoneId": zone}),
        );
    }

    /// Looks at pages in this way from now on.
    pub(crate) fn look(&mut self, look: Look) {
        let metrics =
            json!({"width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let features: Vec<Value> = look
            .features
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let media = json!({"media": look.media, "features": features});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// Lets pages run scripts, or not.
    pub(crate) fn allow_scripts(&mut self, allowed: bool) {
        let disabled = json!({"value": !allowed});
        self.call("Emulation.setScriptExecutionDisabled", &disabled);
    }

    /// Opens a page and waits until it is there and shown.
    pub(crate) fn open(&mut self, url: &str) {
        let answer = self.call("Page.navigate", &json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        let loader = answer["loaderId"].clone();
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            let frame = self.call("Page.getFrameTree", &json!({}));
            let frame = &frame["frameTree"]["frame"];
            let state = self.evaluate(
                "document.documentElement?.classList.contains('wait') ? 'waiting' : document.readyState",
            );
            if frame["loaderId"] == loader && state == "complete" {
                return;
            }
            assert!(Instant::now() < deadline, "{url} does not load: {frame}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The value of an expression in the page; of a promise what it brings.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression in the page is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        while self.evaluate(expression) != Value::Bool(true) {
            let text = self.text("body");
            assert!(Instant::now() < deadline, "never {expression}: {text}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key and lets it go, as a reader does who has no mouse.
    pub(crate) fn press(&mut self, key: Key) {
        let (name, code, text) = match key {
            Key::Down => ("ArrowDown", 40, ""),
            Key::Enter => ("Enter", 13, "\r"),
            Key::Space => (" ", 32, " "),
            Key::Tab => ("Tab", 9, ""),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": name, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Types a text, or pastes it, where the focus is.
    pub(crate) fn insert(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Gives pages leave to use the clipboard, as a reader who sits before the browser has.
    pub(crate) fn allow_clipboard(&mut self) {
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        // It is asked of the browser, not of the page.
        let session = self.session.take();
        self.call(
            "Browser.grantPermissions",
            &json!({"permissions": permissions}),
        );
        self.session = session;
        let focused = json!({"enabled": true});
        self.call("Emulation.setFocusEmulationEnabled", &focused);
    }

    /// What an element shows.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let found = self.evaluate(&format!("document.querySelector({selector:?})?.innerText"));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// A picture of the whole page, kept in `target/screenshots`.
    pub(crate) fn picture(&mut self, name: &str) -> PathBuf {
        let whole = json!({"captureBeyondViewport": true, "format": "png"});
        let taken = self.call("Page.captureScreenshot", &whole);
        let octets = STANDARD.decode(taken["data"].as_str().expect("a picture"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("the folder is made");
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, octets.expect("base64")).expect("the picture is written");
        path
    }

    /// What axe finds wrong with the page: rules, and the elements that break them.
    pub(crate) fn accessibility(&mut self, axe: &Path) -> Vec<String> {
        let source = std::fs::read_to_string(axe).expect("axe");
        self.evaluate(&format!("{source};true"));
        let found = self.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map(
                ({id, nodes}) => `${id}: ${nodes.map(({html, failureSummary}) =>
                    `${html.slice(0, 200)} ${failureSummary}`).join('\\n')}`))",
        );
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().map(Value::to_string).collect()
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let sent = write!(self.commands, "{command}\0");
        sent.and_then(|()| self.commands.flush())
            .expect("it listens");
        loop {
            let message = self.messages.recv_timeout(ANSWERS_WITHIN);
            let message = message.unwrap_or_else(|_| panic!("no answer to {method}"));
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
