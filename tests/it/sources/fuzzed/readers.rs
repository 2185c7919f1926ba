//! The readers of the core, each as it is given octets: `fuzz` takes them, too.

use offpeak::domain::accesslog::{Format, Pattern};
use offpeak::domain::publication::prior::Prior;
use offpeak::domain::time::Timestamp;
use offpeak::domain::transparency::checkpoint::SignedTree;
use offpeak::domain::transparency::leaf::Leaf;
use offpeak::domain::transparency::list::logs;

/// A reader: from octets to how many records it took.
pub(crate) type Read = Box<dyn Fn(&[u8]) -> usize + Send + Sync>;

/// All of them, by name.
pub(crate) fn readers() -> Vec<(&'static str, Read)> {
    let pattern = "[{time}] {method} {path} -> {status} in {latency_ms}ms {error} {*}";
    let formats = [
        ("boulder-ra", Format::BoulderRa),
        ("boulder-wfe", Format::BoulderWfe),
        ("caddy", Format::Caddy),
        ("combined", Format::Combined),
        ("nginx-json", Format::NginxJson),
        ("openbao", Format::OpenBao),
        ("pattern", Format::Pattern(Pattern::parse(pattern).unwrap())),
        ("step-ca", Format::StepCa),
    ];
    let mut readers: Vec<(&'static str, Read)> = Vec::new();
    for (name, format) in formats {
        readers.push((name, Box::new(move |message| lines(message, &format))));
    }
    readers.push((
        "a pattern itself",
        Box::new(|message| text(message, |text| usize::from(Pattern::parse(text).is_ok()))),
    ));
    readers.push(("checkpoint", Box::new(|message| text(message, checkpoint))));
    readers.push(("tile", Box::new(tile)));
    readers.push((
        "leaf",
        Box::new(|message| usize::from(Leaf::of_leaf_input(message).is_some())),
    ));
    let now = Timestamp::from_unix(1_795_867_200);
    readers.push((
        "list of logs",
        Box::new(move |message| usize::from(logs(message, &[], now).is_ok())),
    ));
    readers.push((
        "ranking",
        Box::new(|message| usize::from(Prior::parse(message).is_ok())),
    ));
    readers
}

fn lines(message: &[u8], format: &Format) -> usize {
    let mut taken = 0;
    for line in message.split(|octet| *octet == b'\n') {
        let read = format.read(line);
        taken += usize::from(matches!(read, Ok(Some(_))));
        let _ = format.time(line);
        taken += usize::from(format.certificate(line).is_some());
    }
    taken
}

pub(crate) fn text(message: &[u8], read: impl Fn(&str) -> usize) -> usize {
    std::str::from_utf8(message).map_or(0, read)
}

fn checkpoint(text: &str) -> usize {
    let tree = SignedTree::of_checkpoint(text, "example.com/log", &[0; 32]);
    usize::from(tree.is_ok_and(|tree| tree.signed().len() == 50))
}

fn tile(message: &[u8]) -> usize {
    Leaf::of_tile(message).map_or(0, |leaves| {
        for leaf in &leaves {
            let _ = leaf.hash();
        }
        usize::from(!leaves.is_empty())
    })
}
