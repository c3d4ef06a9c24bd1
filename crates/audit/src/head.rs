//! What is signed: that a record, and so every one before it, is as it was.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_store::audit::SignedRow;
use serde::{Deserialize, Serialize};

use crate::{Hash, Moment, PublicKey, SigningKey};

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// This record is the newest.
    Head,
    /// This record and those before it were cut off.
    Cut,
}

/// A signed head: a statement about a record, and the signature of it.
///
/// The statement is the text `portcullis audit head ID HASH TIME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The record.
    pub id: u64,
    /// Its hash.
    pub hash: Hash,
    /// When it was signed.
    pub time: Moment,
    /// Id of the key that did.
    pub key: String,
    /// The signature, in base64.
    pub signature: String,
}

impl Head {
    pub(crate) fn sign(purpose: Purpose, id: u64, hash: Hash, time: Moment, key: &SigningKey) -> SignedRow {
        let signature = key.sign(&statement(purpose, id, hash, time));
        SignedRow { id, hash: hash.0, time: time.micros(), key: key.public().id(), signature }
    }

    /// As a line of a file of heads.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<SignedRow> for Head {
    fn from(row: SignedRow) -> Self {
        let SignedRow { id, hash, time, key, signature } = row;
        let signature = STANDARD.encode(signature);
        Self { id, hash: Hash(hash), time: Moment::from_micros(time), key, signature }
    }
}

/// From a line of a file of heads.
impl FromStr for Head {
    type Err = serde_json::Error;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(line)
    }
}

/// Whether a signature can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    Good,
    /// By a trusted key, but not of this.
    Forged,
    /// By a key that is not trusted.
    Foreign,
}

pub(crate) fn judge(purpose: Purpose, head: &Head, trusted: &[PublicKey]) -> Signature {
    let Some(key) = trusted.iter().find(|key| key.id() == head.key) else { return Signature::Foreign };
    let statement = statement(purpose, head.id, head.hash, head.time);
    match STANDARD.decode(&head.signature) {
        Ok(signature) if key.verifies(&statement, &signature) => Signature::Good,
        _ => Signature::Forged,
    }
}

fn statement(purpose: Purpose, id: u64, hash: Hash, time: Moment) -> String {
    let purpose = match purpose {
        Purpose::Head => "head",
        Purpose::Cut => "cut",
    };
    format!("portcullis audit {purpose} {id} {hash} {time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_one_record_one_purpose_and_by_one_key() {
        let key = SigningKey::ephemeral();
        let trusted = [SigningKey::ephemeral().public(), key.public()];
        let head = Head::from(Head::sign(Purpose::Head, 7, Hash::of("x"), Moment::from_micros(5), &key));
        assert_eq!(head.line().parse::<Head>().unwrap(), head);
        assert_eq!(judge(Purpose::Head, &head, &trusted), Signature::Good);
        assert_eq!(judge(Purpose::Cut, &head, &trusted), Signature::Forged);
        assert_eq!(judge(Purpose::Head, &head, &trusted[..1]), Signature::Foreign);
        for forged in [
            Head { id: 8, ..head.clone() },
            Head { hash: Hash::of("y"), ..head.clone() },
            Head { time: Moment::from_micros(6), ..head.clone() },
            Head { signature: "AAAA".to_owned(), ..head.clone() },
            Head { signature: "no base64".to_owned(), ..head },
        ] {
            assert_eq!(judge(Purpose::Head, &forged, &trusted), Signature::Forged);
        }
    }
}
