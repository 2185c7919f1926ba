//! Certificates built octet by octet, as no library would.

/// What an odd certificate is made of; [`Parts::default`] makes an ordinary one.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) serial: Vec<u8>,
    pub(crate) not_before: Vec<u8>,
    pub(crate) not_after: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            serial: vec![0x00, 0x87, 0x65, 0x43, 0x21],
            not_before: utc("260101000000Z"),
            not_after: utc("260331235959Z"),
            extensions: vec![authority(&[0x42; 20])],
        }
    }
}

impl Parts {
    pub(crate) fn der(&self) -> Vec<u8> {
        let algorithm = tlv(0x30, &tlv(0x06, &[0x2a, 0x03]));
        let key = tlv(
            0x30,
            &[algorithm.clone(), tlv(0x03, &[0, 1, 2, 3])].concat(),
        );
        let mut tbs = [
            tlv(0xa0, &tlv(0x02, &[2])),
            tlv(0x02, &self.serial),
            algorithm.clone(),
            tlv(0x30, &[]),
            tlv(
                0x30,
                &[self.not_before.clone(), self.not_after.clone()].concat(),
            ),
            tlv(0x30, &[]),
            key,
        ]
        .concat();
        if !self.extensions.is_empty() {
            tbs.extend(tlv(0xa3, &tlv(0x30, &self.extensions.concat())));
        }
        let signature = tlv(0x03, &[9; 65]);
        tlv(0x30, &[tlv(0x30, &tbs), algorithm, signature].concat())
    }
}

pub(crate) fn authority(key_identifier: &[u8]) -> Vec<u8> {
    extension(0x23, &tlv(0x30, &tlv(0x80, key_identifier)))
}

/// An extension of the arc 2.5.29.
pub(crate) fn extension(last_arc: u8, value: &[u8]) -> Vec<u8> {
    tlv(
        0x30,
        &[tlv(0x06, &[0x55, 0x1d, last_arc]), tlv(0x04, value)].concat(),
    )
}

pub(crate) fn ca_constraints() -> Vec<u8> {
    extension(0x13, &tlv(0x30, &tlv(0x01, &[0xff])))
}

pub(crate) fn utc(text: &str) -> Vec<u8> {
    tlv(0x17, text.as_bytes())
}

pub(crate) fn generalized(text: &str) -> Vec<u8> {
    tlv(0x18, text.as_bytes())
}

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            let octets = u32::try_from(length).unwrap().to_be_bytes();
            out.push(0x84);
            out.extend(octets);
        }
    }
    out.extend(content);
    out
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
