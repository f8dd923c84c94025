//! The bodies of the fuzz targets, on their seeds and on changed ones: without the tools for fuzzing they must not rot.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[path = "../../fuzz/bodies/allowed_signers.rs"]
mod allowed_signers;
#[path = "../../fuzz/bodies/bundle.rs"]
mod bundle;
#[path = "../../fuzz/farm.rs"]
mod farm;
#[path = "../../fuzz/bodies/pack.rs"]
mod pack;
#[path = "../../fuzz/bodies/private_key.rs"]
mod private_key;
#[path = "../../fuzz/bodies/proof.rs"]
mod proof;
#[path = "../../fuzz/bodies/protocol.rs"]
mod protocol;
#[path = "../../fuzz/bodies/sshsig.rs"]
mod sshsig;
#[path = "../../fuzz/bodies/stream.rs"]
mod stream;

/// What a target does with some bytes.
type Body = fn(&[u8]);

/// Each target's name and body.
const TARGETS: [(&str, Body); 8] = [
    ("allowed_signers", allowed_signers::run),
    ("bundle", bundle::run),
    ("pack", pack::run),
    ("private_key", private_key::run),
    ("proof", proof::run),
    ("protocol", protocol::run),
    ("sshsig", sshsig::run),
    ("stream", stream::run),
];

fn fuzz(dir: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(dir)
}

fn files(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(fuzz(dir)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_target_is_here() {
    let ours: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    for dir in ["fuzz_targets", "bodies", "seeds"] {
        let files = files(dir);
        let names: BTreeSet<&str> = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ours, "fuzz/{dir}");
    }
    let manifest = std::fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    assert!(ours.iter().all(|name| manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\""))));
}

#[test]
fn seeds_are_what_they_should_be() {
    for path in files("seeds/sshsig") {
        let seed = std::fs::read(&path).unwrap();
        let armor = isodb::split_signed(isodb::Kind::Commit, &seed).map_or(seed, |signed| signed.armor);
        assert!(isodb::Signature::parse(&armor).is_ok(), "{}", path.display());
    }
    for path in files("seeds/bundle") {
        assert!(bundle::is_sound(&std::fs::read(&path).unwrap()), "{}", path.display());
    }
    for path in files("seeds/protocol") {
        assert!(protocol::is_sound(&std::fs::read(&path).unwrap()), "{}", path.display());
    }
    for path in files("seeds/stream") {
        assert!(stream::is_sound(&std::fs::read(&path).unwrap()), "{}", path.display());
    }
    for path in files("seeds/pack") {
        assert!(pack::is_sound(&std::fs::read(&path).unwrap()), "{}", path.display());
    }
    for path in files("seeds/private_key") {
        assert!(isodb::PrivateKey::parse(&std::fs::read(&path).unwrap()).is_ok(), "{}", path.display());
    }
    for path in files("seeds/proof") {
        let proof = proof::packed(&std::fs::read(&path).unwrap()).unwrap();
        let checked = isodb::check_proof(&mut &proof[..], None, None, &mut std::io::sink());
        assert!(checked.is_ok(), "{}: {checked:?}", path.display());
    }
    for path in files("seeds/allowed_signers") {
        assert!(isodb::AllowedSigners::parse(&std::fs::read(&path).unwrap()).entries().count() > 0);
    }
}

/// Some bytes of a seed replaced by others, a few times.
fn changed(seed: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        // What is itself made of lines and words goes on being so.
        "[A-Za-z0-9+/= \n\"#,\\\\*!-]{0,6}".prop_map(String::into_bytes),
    ];
    let changes = proptest::collection::vec((any::<Index>(), 0..8usize, bytes), 1..4);
    changes.prop_map(move |changes| {
        let mut data = seed.clone();
        for (at, removed, bytes) in changes {
            let from = at.index(data.len() + 1);
            data.splice(from..(from + removed).min(data.len()), bytes);
        }
        data
    })
}

#[test]
fn targets_run_on_seeds_and_changed_seeds() {
    for (name, run) in TARGETS {
        run(b"");
        for path in files(&format!("seeds/{name}")) {
            let seed = std::fs::read(&path).unwrap();
            run(&seed);
            let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
            let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]));
            let ran = runner.run(&changed(seed), |data| {
                run(&data);
                Ok(())
            });
            ran.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
