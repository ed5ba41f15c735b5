#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcask_fuzz::resp_session(data));
