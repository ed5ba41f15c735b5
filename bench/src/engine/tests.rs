use super::*;
use guest::data::{Key, Maker, SMALL};

/// The same little life for every engine.
struct Life;

impl Task for Life {
    fn run<E: Engine>(&self) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut engine = E::open(dir.path(), Durability::Relaxed)?;
        let (mut old, mut new) = (Maker::new(SMALL, 1), Maker::new(SMALL, 2));
        for number in 0..1000 {
            let (key, value) = old.entry(number);
            engine.put(key, value)?;
        }
        let mut entries = Entries::default();
        for number in 900..1100 {
            entries.push(new.entry(number));
        }
        engine.put_batch(&entries)?;
        for number in (0..1100).step_by(2) {
            engine.delete(SMALL.key(number).bytes())?;
        }
        expect(&engine)?;
        engine.merge()?;
        expect(&engine)?;
        engine.close()?;
        let engine = E::open(dir.path(), Durability::EachPut)?;
        expect(&engine)?;
        engine.put(b"0123456789abcdef", b"durable")?;
        engine.close()
    }
}

/// Odd keys below 1100, singly and together.
fn expect(engine: &impl Engine) -> Result<()> {
    let mut scratch = Vec::new();
    for number in 0..1200 {
        let key = SMALL.key(number);
        let found = engine.get(key.bytes(), &mut scratch, |value| SMALL.check(&key, value))?;
        assert_eq!(
            found.is_some(),
            number % 2 == 1 && number < 1100,
            "{number}"
        );
    }
    let keys: Vec<Key> = (0..16).map(|number| SMALL.key(number)).collect();
    let bytes: Vec<&[u8]> = keys.iter().map(Key::bytes).collect();
    let mut seen = 0;
    engine.get_many(&bytes, &mut scratch, |at, value| {
        assert_eq!(value.is_some(), at % 2 == 1, "{at}");
        if let Some(value) = value {
            SMALL.check(&keys[at], value);
        }
        seen += 1;
    })?;
    assert_eq!(seen, 16);
    Ok(())
}

#[test]
fn every_engine_answers_what_was_stored_last_also_after_merge_and_reopening() {
    for name in NAMES {
        with(name, &Life).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
