//! Verifies signatures of logs: ECDSA on P-256 or RSA, both with SHA-256 (RFC 6962 section 2.1.4).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::domain::transparency::checkpoint::SignedTree;

/// Whether this key, a `SubjectPublicKeyInfo` in DER, signed the tree.
pub(super) fn has_signed(key: &[u8], tree: &SignedTree) -> bool {
    // Numbered as in RFC 5246 section 7.4.1.4.1: SHA-256 is 4, RSA 1, ECDSA 3.
    let algorithm: &'static dyn VerificationAlgorithm = match tree.algorithm {
        [4, 1] => &RSA_PKCS1_2048_8192_SHA256,
        [4, 3] => &ECDSA_P256_SHA256_ASN1,
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, key)
        .verify(&tree.signed(), &tree.signature)
        .is_ok()
}
