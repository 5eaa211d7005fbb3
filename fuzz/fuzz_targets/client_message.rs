//! What clients send: messages of both WebSocket protocols, and paths with queries.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate::{
    api::understood,
    market::{Channel, UnixMs},
};

fuzz_target!(|text: &str| {
    let _ = understood(text);
    // What is read is written as something that means the same.
    if let Ok(channel) = text.parse::<Channel>() {
        assert_eq!(channel.to_string().parse(), Ok(channel));
    }
    if let Ok(time) = text.parse::<UnixMs>() {
        assert_eq!(time.iso().parse(), Ok(time));
    }
});
