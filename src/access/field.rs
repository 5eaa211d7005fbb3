//! The values of a keys file: what each may be.

use std::{
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use toml::de::DeValue;

use super::{Right, Rights};
use crate::{config::duration, telemetry::Wait};

/// Weights of one client beside another.
const MOST_WEIGHT: u16 = 100;
/// Requests of a quota.
const MOST_REQUESTS: u32 = 1_000_000;
/// Windows of a quota.
const WINDOWS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(24 * 3600)];
/// Letters of a name.
const MOST_LETTERS: usize = 40;

/// Reads a value.
pub(super) type Field<T> = fn(&DeValue<'_>) -> Result<T, Fault>;

/// What a value should have been.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

fn expected(what: impl std::fmt::Display) -> Fault {
    Fault(format!("expected {what}"))
}

pub(super) fn name(value: &DeValue<'_>) -> Result<String, Fault> {
    name_text(value.as_str())
}

pub(super) fn name_text(text: Option<&str>) -> Result<String, Fault> {
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let fits = |name: &&str| (1..=MOST_LETTERS).contains(&name.len()) && name.bytes().all(letter);
    match text.filter(fits) {
        Some("gateway") => Err(Fault("\"gateway\" is the gateway itself".to_owned())),
        Some(name) => Ok(name.to_owned()),
        None => Err(expected(format_args!("1 to {MOST_LETTERS} of a-z, 0-9, _ and -"))),
    }
}

/// A refresh is the gateway's own, so it is no class of clients.
pub(super) fn class(value: &DeValue<'_>) -> Result<Wait, Fault> {
    let classes = [Wait::Client, Wait::Background];
    let found = classes.into_iter().find(|class| value.as_str() == Some(class.as_str()));
    found.ok_or_else(|| expected("\"client\" or \"background\""))
}

pub(super) fn weight(value: &DeValue<'_>) -> Result<NonZeroU16, Fault> {
    let weight = whole(value).and_then(|it| u16::try_from(it).ok());
    let weight = weight.filter(|weight| *weight <= MOST_WEIGHT).and_then(NonZeroU16::new);
    weight.ok_or_else(|| expected(format_args!("a whole number from 1 to {MOST_WEIGHT}")))
}

pub(super) fn rights(value: &DeValue<'_>) -> Result<Rights, Fault> {
    let right = |item: &DeValue<'_>| {
        Right::ALL.into_iter().find(|right| item.as_str() == Some(right.as_str()))
    };
    let all = value.as_array().and_then(|list| {
        list.iter().try_fold(Rights::default(), |all, item| Some(all.and(right(item.get_ref())?)))
    });
    let names = Right::ALL.map(|right| format!("{:?}", right.as_str())).join(", ");
    all.ok_or_else(|| expected(format_args!("a list of {names}")))
}

pub(super) fn requests(value: &DeValue<'_>) -> Result<NonZeroU32, Fault> {
    let requests = whole(value).and_then(|it| u32::try_from(it).ok());
    let requests = requests.filter(|it| *it <= MOST_REQUESTS).and_then(NonZeroU32::new);
    requests.ok_or_else(|| expected(format_args!("a whole number from 1 to {MOST_REQUESTS}")))
}

/// `RateLimit-Policy` tells it in seconds.
pub(super) fn window(value: &DeValue<'_>) -> Result<Duration, Fault> {
    let [least, most] = WINDOWS;
    let window = value.as_str().and_then(duration::parse);
    let fits = |it: &Duration| (least..=most).contains(it) && it.subsec_nanos() == 0;
    window.filter(fits).ok_or_else(|| {
        let [least, most] = WINDOWS.map(duration::show);
        expected(format_args!("a duration from {least} to {most} in whole seconds"))
    })
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
