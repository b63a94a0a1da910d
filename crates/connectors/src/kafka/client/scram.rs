//! The client's side of SCRAM (RFC 5802) with SHA-256 (RFC 7677) or SHA-512, as pure functions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use std::hash::{BuildHasher, RandomState};

/// The most rounds that are believed; a hostile server could keep the client busy otherwise.
const ROUNDS_MAX: u32 = 10_000_000;

/// The hash function of the mechanism.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    /// The mechanism's name.
    pub(super) fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha256 => "SCRAM-SHA-256",
            Hash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(data).to_vec(),
            Hash::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, data),
            Hash::Sha512 => mac::<Hmac<Sha512>>(key, data),
        }
    }

    /// `Hi` of the RFC: PBKDF2 with one block.
    fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
        let mut block = self.hmac(password, &[salt, &1u32.to_be_bytes()].concat());
        let mut salted = block.clone();
        for _ in 1..rounds {
            block = self.hmac(password, &block);
            salted.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
        }
        salted
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// A login that has sent its first message.
pub(super) struct Scram {
    hash: Hash,
    nonce: String,
    first_bare: String,
}

/// What the server must prove at the end.
pub(super) struct Expected(String);

impl Scram {
    /// Starts: the login and its first message.
    pub(super) fn start(hash: Hash, user: &str) -> (Scram, String) {
        // Each random state has keys of its own from the system's generator.
        let part = || RandomState::new().hash_one(0u8);
        Self::with_nonce(hash, user, format!("{:016x}{:016x}", part(), part()))
    }

    fn with_nonce(hash: Hash, user: &str, nonce: String) -> (Scram, String) {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        let first = format!("n,,{first_bare}");
        (Scram { hash, nonce, first_bare }, first)
    }

    /// Answers the server's challenge.
    pub(super) fn answer(self, password: &str, challenge: &[u8]) -> Result<(String, Expected), String> {
        let bad = || "the broker's login challenge can't be read".to_string();
        let challenge = std::str::from_utf8(challenge).map_err(|_| bad())?;
        let nonce = field(challenge, "r").ok_or_else(bad)?;
        let salt = field(challenge, "s").and_then(|salt| STANDARD.decode(salt).ok()).ok_or_else(bad)?;
        let rounds: u32 = field(challenge, "i").and_then(|rounds| rounds.parse().ok()).ok_or_else(bad)?;
        if !nonce.starts_with(&self.nonce) || !(1..=ROUNDS_MAX).contains(&rounds) {
            return Err(bad());
        }
        let hash = self.hash;
        let salted = hash.salted(password.as_bytes(), &salt, rounds);
        let client_key = hash.hmac(&salted, b"Client Key");
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.first_bare);
        let signature = hash.hmac(&hash.digest(&client_key), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let server = hash.hmac(&hash.hmac(&salted, b"Server Key"), signed.as_bytes());
        let answer = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((answer, Expected(STANDARD.encode(server))))
    }
}

impl Expected {
    /// Checks that the server knows the password too.
    pub(super) fn verify(&self, last: &[u8]) -> Result<(), String> {
        let proven = std::str::from_utf8(last).ok().and_then(|last| field(last, "v"));
        match proven == Some(&self.0) {
            true => Ok(()),
            false => Err("the broker could not prove that it knows the password".to_string()),
        }
    }
}

fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_met() {
        let (scram, first) = Scram::with_nonce(Hash::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge =
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (answer, expected) = scram.answer("pencil", challenge).unwrap();
        assert_eq!(
            answer,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(expected.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_ok());
        assert!(expected.verify(b"v=AAAA").is_err());
    }
}
