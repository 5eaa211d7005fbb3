//! Order books: slots on the price grid in which orders come and go.

use crate::market::UnixMs;

use super::{
    Instrument, MarketEngine,
    noise::{HourPath, Stream, at, unit},
    price::{Grid, Rounding, eight_decimals, significant},
    trades::period,
};

/// One order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// Unique within the symbol; above 32 bits, as the exchange's are.
    pub id: i64,
    /// Price, or daily rate of a funding offer.
    pub price: f64,
    /// Base units, above zero on both sides.
    pub amount: f64,
    /// Days of a funding offer; 0 for others.
    pub period: u32,
    step: i64,
}

/// Orders of one price taken together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BookLevel {
    /// Price, or daily rate.
    pub price: f64,
    /// Number of orders.
    pub count: u32,
    /// Sum of their amounts, above zero on both sides.
    pub amount: f64,
    /// Days of funding offers; 0 for others.
    pub period: u32,
}

/// All orders of a symbol at one instant: bids from the highest, asks from the lowest, equal
/// prices by id. Never crossed; at least one order a side.
#[derive(Clone, Debug, PartialEq)]
pub struct RawBook {
    bids: Vec<Order>,
    asks: Vec<Order>,
    grid: Grid,
}

impl RawBook {
    /// Orders to buy, best first.
    pub fn bids(&self) -> &[Order] {
        &self.bids
    }

    /// Orders to sell, best first.
    pub fn asks(&self) -> &[Order] {
        &self.asks
    }

    /// Bids and asks by price with `digits` significant digits (5 is P0, 1 is P4), `len` levels a
    /// side at most. Bids are rounded down and asks up.
    pub fn levels(&self, digits: u32, len: usize) -> [Vec<BookLevel>; 2] {
        let sides = [(&self.bids, Rounding::Down), (&self.asks, Rounding::Up)];
        sides.map(|(orders, rounding)| {
            let mut levels: Vec<(i64, BookLevel)> = Vec::new();
            for order in orders {
                let step = significant(order.step, digits, rounding);
                let same = |(at, level): &&mut (i64, BookLevel)| {
                    *at == step && level.period == order.period
                };
                let rest = levels.iter().rposition(|(at, _)| *at != step).map_or(0, |i| i + 1);
                if let Some((_, level)) = levels[rest..].iter_mut().find(same) {
                    level.count += 1;
                    level.amount += order.amount;
                    continue;
                }
                if levels.len() == len && rest == len {
                    break;
                }
                let (price, amount, period) = (self.grid.price(step), order.amount, order.period);
                levels.push((step, BookLevel { price, count: 1, amount, period }));
            }
            levels.truncate(len);
            let printed = levels
                .into_iter()
                .map(|(_, level)| BookLevel { amount: eight_decimals(level.amount), ..level });
            printed.collect()
        })
    }
}

/// Books change this often.
const STEP_MS: i64 = 1_000;
/// Slots at every step of the grid next to the middle, then at every tenth, then every hundredth.
const DENSE: i64 = 170;
const SPARSE: i64 = 190;
const FAR: i64 = 80;
const MOST_AT_A_SLOT: i64 = 3;
/// Above a power of ten, ten slots of three orders each are printed with one price.
const SHARING_A_PRICE: usize = 30;
/// More than a level of the finest precision has on average.
const ORDERS_AT_A_LEVEL: usize = 3;

impl MarketEngine {
    /// The book at `now`, which stands still within each second.
    pub fn book(&self, instrument: &Instrument, now: UnixMs) -> RawBook {
        self.top_of_book(instrument, now, usize::MAX)
    }

    /// `book(instrument, now).levels(digits, len)`, without the orders that do not matter for it.
    pub(in crate::sim) fn levels(
        &self,
        instrument: &Instrument,
        now: UnixMs,
        digits: u32,
        len: usize,
    ) -> [Vec<BookLevel>; 2] {
        let most = len * ORDERS_AT_A_LEVEL;
        if instrument.is_funding() {
            // Levels of one rate and several periods are not one after another.
            return self.book(instrument, now).levels(digits, len);
        }
        let book = self.top_of_book(instrument, now, most);
        // A level is known to be whole if another one follows it, or if no order was left out.
        let mut levels = book.levels(digits, len + 1);
        let whole =
            |orders: &[Order], levels: &[BookLevel]| orders.len() < most || levels.len() > len;
        if !whole(&book.bids, &levels[0]) || !whole(&book.asks, &levels[1]) {
            return self.book(instrument, now).levels(digits, len);
        }
        levels.iter_mut().for_each(|side| side.truncate(len));
        levels
    }

    /// Like [`MarketEngine::book`], but no more than `most` orders a side.
    pub(in crate::sim) fn top_of_book(
        &self,
        instrument: &Instrument,
        now: UnixMs,
        most: usize,
    ) -> RawBook {
        let second = now.millis().div_euclid(STEP_MS);
        let ms = second * STEP_MS;
        let middle = HourPath::new(&instrument.waves, instrument.level, ms).price(ms);
        let grid = Grid::around(middle);
        let middle = grid.steps(middle);
        let half = (middle * instrument.half_spread).max(0.5);
        let bid = ((middle - half).floor() as i64).max(1);
        let ask = ((middle + half).ceil() as i64).max(bid + 1);
        let side =
            |first, rounding| Side { instrument, grid, second, first, rounding }.orders(most);
        RawBook { bids: side(bid, Rounding::Down), asks: side(ask, Rounding::Up), grid }
    }
}

struct Side<'a> {
    instrument: &'a Instrument,
    grid: Grid,
    second: i64,
    /// The slot of the best price.
    first: i64,
    rounding: Rounding,
}

impl Side<'_> {
    fn orders(&self, most: usize) -> Vec<Order> {
        let mut orders = Vec::new();
        let thin = self.thinness();
        let slots = ((DENSE + SPARSE + FAR) as f64 * thin.depth) as i64;
        for (number, step) in self.steps().take(slots.max(2) as usize).enumerate() {
            if orders.len() >= most.saturating_add(SHARING_A_PRICE) {
                break;
            }
            for place in 0..MOST_AT_A_SLOT {
                // The best slot is never empty: the spread is what the market's character says.
                let chance = if number == 0 && place == 0 { 1.0 } else { thin.filled };
                if let Some(order) = self.order(step, place, chance, number) {
                    orders.push(order);
                }
            }
        }
        let outwards = |order: &Order| match self.rounding {
            Rounding::Down => (-order.step, order.id),
            Rounding::Up => (order.step, order.id),
        };
        orders.sort_unstable_by_key(outwards);
        orders.truncate(most);
        orders
    }

    /// Steps of the grid that hold slots, from the best outwards.
    fn steps(&self) -> impl Iterator<Item = i64> {
        let (first, rounding) = (self.first, self.rounding);
        let outwards = if rounding == Rounding::Down { -1 } else { 1 };
        let round = move |step: i64, unit: i64| match rounding {
            Rounding::Down => step.div_euclid(unit) * unit,
            Rounding::Up => (step + unit - 1).div_euclid(unit) * unit,
        };
        let tenths = round(first + outwards * DENSE, 10);
        let hundredths = round(tenths + outwards * SPARSE * 10, 100);
        (0..DENSE)
            .map(move |n| first + outwards * n)
            .chain((0..SPARSE).map(move |n| tenths + outwards * n * 10))
            .chain((0..FAR).map(move |n| hundredths + outwards * n * 100))
            .take_while(|&step| step > 0)
    }

    /// The order that stands at a place now, if any: each place has orders one after another, all
    /// of one lifetime, some of them missing.
    fn order(&self, step: i64, place: i64, chance: f64, distance: usize) -> Option<Order> {
        let side = if self.rounding == Rounding::Down { 0 } else { 1 };
        let spot = (self.grid.id() << 40) | (step << 4) | (place << 1) | side;
        let key = at(self.instrument.key ^ 0x626f_6f6b, spot);
        let lifetime = 4 + (unit(key) * unit(key ^ 1) * 150.0) as i64;
        let turn = (self.second + (key >> 40) as i64 % lifetime).div_euclid(lifetime);
        let mut stream = Stream::new(at(key, turn));
        let share = chance / (1.0 + 1.4 * place as f64);
        if stream.unit() >= share {
            return None;
        }
        let far = 1.0 + (distance as f64 / 40.0).min(6.0);
        let amount = self.instrument.typical * far * (1.2 * stream.normal()).exp();
        let printed = significant(step, 5, self.rounding);
        Some(Order {
            id: order_id(step, place, side, turn),
            price: self.grid.price(printed),
            amount: eight_decimals(amount).max(1e-8),
            period: if self.instrument.is_funding() { period(stream.unit()) } else { 0 },
            step: printed,
        })
    }

    /// Quiet markets have fewer orders, and not the same number on both sides.
    fn thinness(&self) -> Thinness {
        let lot = unit(at(self.instrument.key ^ 0x7468_696e, self.rounding as i64));
        match self.instrument.per_minute {
            busy if busy >= 0.3 => Thinness { filled: 0.85, depth: 1.0 },
            busy if busy >= 0.1 => Thinness { filled: 0.6, depth: 0.5 + 0.5 * lot },
            busy if busy >= 0.02 => Thinness { filled: 0.4, depth: 0.1 + 0.4 * lot },
            _ => Thinness { filled: 0.25, depth: 0.01 + 0.08 * lot },
        }
    }
}

struct Thinness {
    /// Chance that a slot's first place holds an order.
    filled: f64,
    /// Share of the slots that are in use.
    depth: f64,
}

/// Within a book no two orders share step, place and side, and each of the steps below maps
/// different numbers to different ones, so ids are unique. About 1.5e11, as the exchange's were in
/// 2025.
fn order_id(step: i64, place: i64, side: i64, turn: i64) -> i64 {
    const BITS: i64 = (1 << 34) - 1;
    let packed = ((turn & 0x1fff) << 21) | ((step & 0x3_ffff) << 3) | (place << 1) | side;
    150_000_000_000 + ((packed.wrapping_mul(0x2_545f_4915) & BITS) ^ 0x1_5a5a_5a5a)
}
