// bitfinex-api-node, with nothing but its address changed, and its patience. TARGET_BASE is the root URL.

import assert from 'node:assert/strict'
import test from 'node:test'
import BFX from 'bitfinex-api-node'

const url = process.env.TARGET_BASE
const timeout = 60000
const models = new BFX({ transform: true }).rest(2, { url, timeout })
const rows = new BFX({ transform: false }).rest(2, { url, timeout })

const descending = values => values.every((value, i) => i === 0 || values[i - 1] > value)
const ascending = values => descending([...values].reverse())

test('status', async () => {
  assert.deepEqual(await rows.status(), [1])
})

test('symbols and futures', async () => {
  const symbols = await models.symbols()
  assert.ok(symbols.length > 150 && symbols.includes('BTCUSD'))
  const futures = await models.futures()
  assert.ok(futures.includes('BTCF0:USTF0') && futures.every(pair => pair.includes('F0')))
})

test('symbolDetails', async () => {
  const details = await rows.symbolDetails()
  const [, btc] = details[0].find(([pair]) => pair === 'BTCUSD')
  assert.ok(Number(btc[3]) > 0 && Number(btc[4]) > Number(btc[3]))
  assert.equal(typeof btc[3], 'string')
})

test('conf answers one array for each key, in their order', async () => {
  const [currencies, renamed] = await rows.conf({
    keys: ['pub:list:currency', 'pub:map:currency:sym']
  })
  assert.ok(currencies.includes('BTC'))
  assert.equal(Object.fromEntries(renamed).UST, 'USDt')
})

test('currencies', async () => {
  const currencies = await models.currencies()
  assert.ok(currencies.some(currency => currency.id === 'BTC'))
})

test('ticker', async () => {
  const ticker = await models.ticker({ symbol: 'tBTCUSD' })
  assert.equal(ticker.symbol, 'tBTCUSD')
  assert.ok(ticker.high >= ticker.lastPrice && ticker.lastPrice >= ticker.low && ticker.low > 0)
  assert.ok(ticker.bid > 0 && ticker.bid < ticker.ask)
})

test('ticker of a funding currency', async () => {
  assert.ok((await models.ticker({ symbol: 'fUSD' })).frr > 0)
  // By position, since the client's model has size and period the wrong way round.
  const row = await rows.ticker({ symbol: 'fUSD' })
  assert.equal(row.length, 17)
  for (const period of [row[2], row[5]]) {
    assert.ok(Number.isInteger(period) && period >= 2 && period <= 120)
  }
})

test('tickers', async () => {
  const named = await models.tickers({ symbols: ['tBTCUSD', 'tBTCF0:USTF0', 'fUSD'] })
  assert.deepEqual(named.map(ticker => ticker.symbol), ['tBTCUSD', 'tBTCF0:USTF0', 'fUSD'])
  const everything = await rows.tickers()
  assert.ok(everything.length > 200)
  for (const row of everything) assert.equal(row.length, row[0][0] === 't' ? 12 : 18, row[0])
})

test('orderBook', async () => {
  const book = await rows.orderBook({ symbol: 'tBTCUSD', prec: 'P0' })
  assert.equal(book.length, 50)
  const bids = book.slice(0, 25)
  const asks = book.slice(25)
  assert.ok(bids.every(([, count, amount]) => count > 0 && amount > 0))
  assert.ok(asks.every(([, count, amount]) => count > 0 && amount < 0))
  assert.ok(descending(bids.map(([price]) => price)) && ascending(asks.map(([price]) => price)))
  const raw = await rows.orderBook({ symbol: 'tBTCUSD', prec: 'R0' })
  assert.ok(raw.every(([id]) => Number.isSafeInteger(id) && id > 2 ** 32))
})

test('trades', async () => {
  const trades = await models.trades({ symbol: 'tBTCUSD', limit: 10 })
  assert.equal(trades.length, 10)
  assert.ok(descending(trades.map(trade => trade.id)))
  assert.ok(trades.every(trade => trade.price > 0 && trade.amount !== 0))
})

test('candles', async () => {
  const params = { timeframe: '1h', symbol: 'tBTCUSD', section: 'hist', query: { limit: 10 } }
  const candles = await models.candles(params)
  assert.equal(candles.length, 10)
  assert.ok(descending(candles.map(candle => candle.mts)))
  for (const candle of candles) {
    assert.ok(candle.high >= Math.max(candle.open, candle.close))
    assert.ok(candle.low <= Math.min(candle.open, candle.close) && candle.low > 0)
    assert.ok(candle.volume > 0)
  }
  const last = await models.candles({ ...params, section: 'last', query: {} })
  assert.ok(last.mts >= candles[0].mts)
})

test('statusMessages', async () => {
  const [row] = await rows.statusMessages({ keys: ['tBTCF0:USTF0'] })
  assert.equal(row.length, 24)
  assert.equal(row[0], 'tBTCF0:USTF0')
  assert.ok(row[15] > 0, 'the mark price')
})

test('stats', async () => {
  const [mts, value] = await rows.stats({ key: 'pos.size:1m:tBTCUSD:long', context: 'last' })
  assert.ok(Number.isInteger(mts) && value > 0)
})

test('a mistake is the error that the exchange would send', async () => {
  await assert.rejects(rows.ticker({ symbol: 'tNOPEUSD' }), error => {
    assert.deepEqual([error.status, error.code, error.response], [500, 10020, 'symbol: invalid'])
    return true
  })
})
