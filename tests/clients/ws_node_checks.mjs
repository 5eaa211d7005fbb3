// bitfinex-api-node's WebSocket client, with sequence numbers and checksums audited. TARGET_BASE is
// the root URL.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'node:test'
import BFX from 'bitfinex-api-node'

const url = `${process.env.TARGET_BASE.replace(/^http/, 'ws')}/ws/2`

test('a managed book whose sequence numbers and checksums hold', { timeout: 180000 }, async t => {
  const bfx = new BFX({ transform: true })
  const ws = bfx.ws(2, { url, seqAudit: true, manageOrderBooks: true })
  t.after(() => ws.isOpen() && ws.close())
  const errors = []
  ws.on('error', error => errors.push(error))
  await ws.open()
  // Not awaited: the client waits for an acknowledgement of this flag alone, and what is
  // acknowledged is the sum that it sent, in which sequence numbers are included.
  ws.enableFlag(131072)

  const heard = { books: 0, checksums: 0, tickers: 0, trades: 0, candles: 0 }
  let enough
  const done = new Promise(resolve => { enough = resolve })
  const count = name => {
    heard[name] += 1
    if (heard.checksums >= 2 && Math.min(...Object.values(heard)) > 0) enough()
  }
  let book, ticker, candles, trades
  ws.onOrderBook({ symbol: 'tBTCUSD', prec: 'P0', len: '25' }, update => { book = update; count('books') })
  ws.onOrderBookChecksum({ symbol: 'tBTCUSD', prec: 'P0', len: '25' }, () => count('checksums'))
  ws.onTicker({ symbol: 'tBTCUSD' }, update => { ticker = update; count('tickers') })
  ws.onTrades({ symbol: 'tBTCUSD' }, update => { trades = trades ?? update; count('trades') })
  ws.onCandle({ key: 'trade:1m:tBTCUSD' }, update => { candles = candles ?? update; count('candles') })
  await ws.subscribeOrderBook('tBTCUSD', 'P0', '25')
  await ws.subscribeTicker('tBTCUSD')
  await ws.subscribeTrades('tBTCUSD')
  await ws.subscribeCandles('trade:1m:tBTCUSD')
  await done

  assert.deepEqual(errors, [])
  assert.ok(book.bids.length <= 25 && book.asks.length <= 25 && book.bids.length > 0)
  assert.ok(book.topBid() < book.topAsk())
  assert.ok(ticker.bid > 0 && ticker.bid < ticker.ask)
  // The client makes one model of a snapshot, with a trade under each number.
  assert.ok(trades.length === 30 && Array.from(trades).every(trade => trade.price > 0))
  assert.ok(candles.length > 10 && candles.every(candle => candle.mts % 60000 === 0))
  const closed = once(ws, 'close')
  await ws.close()
  await closed
  assert.deepEqual(errors, [])
})
