//! Documents with random damage are loaded or refused; nothing panics, every fault lies in the text and can be shown.
//! `fuzz/fuzz_targets/document.rs` does the same without end.

use super::super::load_with;
use config::Faults;

/// Loads without a fault.
const GOOD: &str = "namers: [{kind: io.l5d.fs, rootDir: /disco}]\nrouters:\n- protocol: http\n  label: web\n  dtab: |\n    /srv => /#/io.l5d.fs ;\n    \
    /svc => /srv | /$/inet/127.1/8080 ;\n  service: {totalTimeoutMs: 1000, retries: {budget: {ttlSecs: 15}}}\n  client: {loadBalancer: {kind: ewma}}\n  \
    servers:\n  - port: 4140\n    ip: 0.0.0.0\n";

const SEEDS: [&str; 6] = [
    GOOD,
    include_str!("golden/twelve.yaml"),
    include_str!("golden/not-built.yaml"),
    include_str!("golden/dtabs.yaml"),
    include_str!("golden/warnings.yaml"),
    include_str!("golden/misplaced.yaml"),
];

/// What damage is made of, besides pieces of the seeds.
const PIECES: [&str; 16] = [
    "\n",
    "  ",
    "\t",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "|\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "\u{1F600}",
];

fn damaged(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = SEEDS[rng.usize(..SEEDS.len())].as_bytes().to_vec();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..=text.len());
        let most = if rng.bool() { 0 } else { 12 };
        let end = rng.usize(at..=(at + most).min(text.len()));
        let piece = match rng.u8(..4) {
            0 => Vec::new(),
            1 => vec![rng.u8(..)],
            2 => {
                let seed = SEEDS[rng.usize(..SEEDS.len())].as_bytes();
                let from = rng.usize(..seed.len());
                seed[from..(from + rng.usize(1..40)).min(seed.len())].to_vec()
            }
            _ => PIECES[rng.usize(..PIECES.len())].as_bytes().to_vec(),
        };
        text.splice(at..end, piece);
    }
    text
}

fn sound(faults: &Faults) {
    let length = faults.source().text().len();
    for fault in faults.iter().filter(|fault| !fault.span.is_nowhere()) {
        assert!(fault.span.start <= fault.span.end && fault.span.end as usize <= length, "{fault:?}");
        assert!(!fault.message.contains('\n'), "{fault:?}");
    }
    assert!(faults.is_empty() || faults.to_string().starts_with("linkerd.yaml:"));
}

#[test]
fn damaged_documents_do_no_harm() {
    let (mut loaded, mut refused) = (0, 0);
    for seed in 0..4_000 {
        let text = damaged(&mut fastrand::Rng::with_seed(seed));
        match load_with("linkerd.yaml", &text, |_| true) {
            Ok(document) => {
                loaded += 1;
                document.tree.to_json();
                sound(&document.warnings);
            }
            Err(faults) => {
                refused += 1;
                assert!(!faults.is_empty(), "{}", String::from_utf8_lossy(&text));
                sound(&faults);
            }
        }
    }
    assert!(loaded > 20 && refused > 1_000, "{loaded} loaded, {refused} refused");
}
