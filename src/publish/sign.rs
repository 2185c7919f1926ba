//! Checksums and signatures of a static tree, for the standard `sha256sum -c` and `minisign -V`.

use std::fmt::Write as _;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::{PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use sha2::{Digest as _, Sha256};

use super::plan::{Cache, File, Serving};
use crate::domain::time::Timestamp;

/// The list of all files with their SHA-256.
pub const SUMS: &str = "SHA256SUMS";
/// The extension of a signature.
pub const SIGNATURE: &str = ".minisig";

/// The length of a secret key: three algorithms of 2 octets, a salt of 32, two limits of 8, a
/// number of 8, the key of 64, and a checksum.
const SECRET_OCTETS: usize = 3 * 2 + 32 + 2 * 8 + 8 + 64 + CHECKSUM_OCTETS;
const CHECKSUM_OCTETS: usize = 32;
/// The beginning of a key without a password: Ed25519, no key derivation, `BLAKE2b`.
const WITHOUT_PASSWORD: &[u8] = b"Ed\0\0B2";

/// A minisign key pair for signing.
pub struct Signer {
    secret: SecretKey,
    public: PublicKey,
}

/// A minisign public key for verifying.
pub struct Verifier(PublicKey);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file does not contain a key.
    #[error("{}: {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A signature could not be made.
    #[error("cannot sign {path}: {reason}")]
    Sign {
        /// The file to be signed.
        path: String,
        /// The reason.
        reason: String,
    },
}

/// The files with their checksums and, with a signer, a signature next to each. Immutable copies
/// come first with their signatures, then the checksums, then each pointer after its signature,
/// with the most-read one last. `there` is what is already published: an existing signature of the
/// same content by the same key is kept, because signing again gives a different one.
///
/// # Errors
/// [`KeyError::Sign`].
pub fn with_sums(
    files: Vec<File>,
    signer: Option<&Signer>,
    now: Timestamp,
    there: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Result<Vec<File>, KeyError> {
    let (immutable, pointers): (Vec<File>, Vec<File>) = files
        .into_iter()
        .partition(|file| file.serving.cache == Cache::Immutable);
    let mut listed: Vec<&File> = immutable.iter().chain(&pointers).collect();
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    let mut text = String::new();
    for file in listed {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}  {}", hex(&Sha256::digest(&file.bytes)), file.path);
    }
    let sums = File {
        path: SUMS.to_owned(),
        bytes: Arc::from(text.into_bytes()),
        serving: Serving {
            content_type: "text/plain; charset=utf-8",
            cache: Cache::Pointer,
        },
    };
    let mut all = Vec::new();
    for file in immutable.into_iter().chain([sums]).chain(pointers) {
        let signature = signer
            .map(|signer| signer.with_signature(&file, now, there))
            .transpose()?;
        all.extend(signature);
        all.push(file);
    }
    Ok(all)
}

impl Signer {
    /// Reads a secret key written by `minisign -G -W`, without a password, because nobody is there
    /// to type it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let text = text(file)?;
        let wrong = |error: minisign::PError| KeyError::Key {
            file: file.to_owned(),
            reason: format!("it is no secret key of minisign without a password (-G -W): {error}"),
        };
        let secret = match without_checksum(&text) {
            Some(octets) => SecretKey::from_bytes(&octets).map_err(wrong)?,
            None => SecretKeyBox::from_string(&text)
                .and_then(SecretKeyBox::into_unencrypted_secret_key)
                .map_err(wrong)?,
        };
        let public = PublicKey::from_secret_key(&secret).map_err(wrong)?;
        Ok(Self { secret, public })
    }

    /// The public key in the form for `minisign -P`.
    #[must_use]
    pub fn public_key(&self) -> String {
        self.public.to_base64()
    }

    fn with_signature(
        &self,
        file: &File,
        now: Timestamp,
        there: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<File, KeyError> {
        let path = format!("{}{SIGNATURE}", file.path);
        let kept = there(&path).filter(|signature| {
            let verifier = Verifier(self.public.clone());
            verifier.verify(&file.bytes, signature).is_ok()
        });
        let bytes = match kept {
            Some(bytes) => bytes,
            None => self.signature(file, now)?,
        };
        Ok(File {
            path,
            bytes: Arc::from(bytes),
            serving: Serving {
                content_type: "text/plain; charset=utf-8",
                cache: file.serving.cache,
            },
        })
    }

    fn signature(&self, file: &File, now: Timestamp) -> Result<Vec<u8>, KeyError> {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let comment = format!("timestamp:{}\tfile:{name}\thashed", now.unix());
        let data = Cursor::new(&file.bytes);
        let untrusted = Some("signature from offpeak");
        let key = Some(&self.public);
        let signed = minisign::sign(key, &self.secret, data, Some(&comment), untrusted);
        let signed = signed.map_err(|error| KeyError::Sign {
            path: file.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(signed.into_string().into_bytes())
    }
}

impl Verifier {
    /// A public key as printed by minisign, or the file it writes.
    ///
    /// # Errors
    /// [`KeyError`] if it is neither.
    pub fn of(text_or_file: &str) -> Result<Self, KeyError> {
        if let Ok(key) = PublicKey::from_base64(text_or_file) {
            return Ok(Self(key));
        }
        let file = Path::new(text_or_file);
        let wrong = |error: minisign::PError| KeyError::Key {
            file: file.to_owned(),
            reason: format!("it is no public key of minisign: {error}"),
        };
        let boxed = PublicKeyBox::from_string(&text(file)?).map_err(wrong)?;
        boxed.into_public_key().map(Self).map_err(wrong)
    }

    /// Verifies a signature of these bytes by this key.
    ///
    /// # Errors
    /// Why it is not valid.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), String> {
        let text = str::from_utf8(signature).map_err(|_| "its signature is no text".to_owned())?;
        let signature = SignatureBox::from_string(text)
            .map_err(|error| format!("its signature cannot be read: {error}"))?;
        minisign::verify(&self.0, &signature, Cursor::new(bytes), true, false, false)
            .map_err(|_| "its signature is not of these bytes and this key".to_owned())
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.public_key())
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({})", self.0.to_base64())
    }
}

fn text(file: &Path) -> Result<String, KeyError> {
    fs::read_to_string(file).map_err(|source| KeyError::Read {
        file: file.to_owned(),
        source,
    })
}

/// The octets of a key without password and checksum: minisign writes no checksum with `-W` (seen
/// in 0.11), and the library requires one.
fn without_checksum(text: &str) -> Option<Vec<u8>> {
    let octets = STANDARD.decode(text.lines().nth(1)?.trim()).ok()?;
    let (key, checksum) = octets.split_at_checked(SECRET_OCTETS - CHECKSUM_OCTETS)?;
    let is_so = key.starts_with(WITHOUT_PASSWORD)
        && checksum.len() == CHECKSUM_OCTETS
        && checksum.iter().all(|octet| *octet == 0);
    is_so.then_some(octets)
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
