//! Whatever is asked in whatever order: candles are those of the exchange, and final ones are not
//! fetched twice, but for one in a request that vouches for the rest.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Wait(u64),
    Last(u32),
    Closed(u32),
    Since(i64, u32),
    Until(i64, u32),
    Between(i64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1_u64..200).prop_map(Step::Wait),
        (1_u32..600).prop_map(Step::Last),
        (1_u32..600).prop_map(Step::Closed),
        (-3_000_i64..2, 1_u32..700).prop_map(|(since, limit)| Step::Since(since, limit)),
        (-3_000_i64..2, 1_u32..700).prop_map(|(until, limit)| Step::Until(until, limit)),
        (-3_000_i64..2, 0_i64..900).prop_map(|(since, width)| Step::Between(since, since + width)),
    ];
    proptest::collection::vec(step, 1..14)
}

fn view(step: &Step) -> CandleView {
    match *step {
        Step::Wait(_) => unreachable!("no request"),
        Step::Last(limit) => last(limit),
        Step::Closed(limit) => CandleView { closed_only: true, ..last(limit) },
        Step::Since(since, limit) => CandleView { since: Some(minute(since)), ..last(limit) },
        Step::Until(until, limit) => CandleView { until: Some(minute(until)), ..last(limit) },
        Step::Between(since, until) => between(since, until),
    }
}

/// What the exchange would answer to `view`, final candles only.
fn finals(view: &CandleView, now: i64) -> Vec<Candle> {
    let settled = (now - 2_000 - START).div_euclid(MINUTE) - 1;
    let of = |at: UnixMs| (at.millis() - START).div_euclid(MINUTE);
    let first = view.since.map_or(-5_000, of);
    let end = view.until.map_or(settled, of).min(settled);
    let rows: Vec<Candle> = (first..=end).filter_map(row).collect();
    let limit = view.limit as usize;
    match view.since {
        Some(_) => rows.into_iter().take(limit).collect(),
        None => rows[rows.len().saturating_sub(limit)..].to_vec(),
    }
}

async fn all_views_are_right(steps: &[Step]) -> Result<(), TestCaseError> {
    let bench = Bench::new().await;
    // The newest candles that are known, and the times that were asked for.
    let mut fetched = std::collections::BTreeSet::new();
    for step in steps {
        if let Step::Wait(seconds) = step {
            sleep(secs(*seconds)).await;
            continue;
        }
        let view = view(step);
        let candles = bench.get(view).await;
        let now = bench.market.now().millis();
        let rows = candles.rows();
        prop_assert!(rows.len() <= view.limit as usize);
        let (done, open): (Vec<_>, Vec<_>) =
            rows.iter().cloned().partition(|row| candles.is_closed(row));
        prop_assert!(rows.is_sorted_by(|a, b| a.open_time < b.open_time));
        prop_assert!(open.len() <= 3, "{step:?}: {} are open", open.len());
        for row_told in &done {
            let minute = minutes(std::slice::from_ref(row_told))[0];
            prop_assert_eq!(&Some(row_told.clone()), &row(minute), "{:?}", step);
        }
        // What is not final yet by the exchange's clock may be told, or be older than a minute.
        let expected = finals(&view, now);
        let newest = rows.last().map(|row| row.open_time);
        let told: Vec<&Candle> = expected
            .iter()
            .filter(|row| newest.is_some_and(|newest| row.open_time <= newest))
            .collect();
        for row in told {
            let is_there = rows.iter().any(|it| it.open_time == row.open_time);
            let is_cut = view.since.is_none() && rows.len() == view.limit as usize;
            prop_assert!(is_there || is_cut, "{:?} lacks {}", step, row.open_time);
        }
        if view.closed_only || view.until.is_some_and(|until| until.millis() < now - 62_000) {
            prop_assert_eq!(rows, &expected[..], "{:?}", step);
        }
        for asked in bench.asked() {
            let words: Vec<&str> = asked.split(' ').collect();
            let bound =
                |text: &str| text.strip_prefix("Some(")?.strip_suffix(')')?.parse::<i64>().ok();
            let (limit, since) = (words[1].parse::<i64>().unwrap(), bound(words[2]));
            let Some(until) = bound(words[3]) else { continue };
            let Some(since) = since else { continue };
            // One that is known shows that the answer can be believed.
            let minutes = since..=until.min(since + limit - 1);
            let again = minutes.filter(|minute| !fetched.insert(*minute) && row(*minute).is_some());
            let again: Vec<i64> = again.collect();
            prop_assert!(again.len() <= 1, "{} brought {:?} once more", asked, again);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_view_is_the_exchanges(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(all_views_are_right(&steps))?;
    }
}
