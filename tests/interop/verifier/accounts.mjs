// What is owed for a grant, what is said of paying, and that what was read is deleted.

import { data, exactly, integer, list, maybe, text, tuple } from './body.mjs'
import { compare, hex, rises, same } from './bytes.mjs'
import { cid } from './digest.mjs'
import { keyOf, parseSigned, signedBy } from './identity.mjs'
import { parseReceipt } from './reading.mjs'
import { require } from './refused.mjs'

const AMOUNT_MAX = 99_999_999_999
const GRANTS_MAX = 512
const NOTE_CHARS_MAX = 140
const NAME_CHARS_MAX = 70
const DAY_MS = 86_400_000
const FIRST_DAY = 25_567
const UNDATED = 65_535
const CURRENCIES = new Set(Intl.supportedValuesOf('currency'))

function currency(value) {
  text(value, 'a currency')
  require(CURRENCIES.has(value), 'form', 'a currency is one of ISO 4217')
  return value
}

const digitsOf = (code) =>
  new Intl.NumberFormat('en', { style: 'currency', currency: code }).resolvedOptions().maximumFractionDigits

function amount(value, code) {
  const [mantissa, scale] = tuple(value, 'an amount', 2)
  require(scale === digitsOf(code), 'form', 'an amount has the digits of its currency')
  return integer(mantissa, 'an amount', 1, AMOUNT_MAX)
}

// `remuneration` of terms: text, a map or null.
export function remuneration(value) {
  if (typeof value === 'string') return { words: value }
  const found = exactly(value, 'remuneration', ['amount', 'currency', 'per', 'cap'])
  const code = currency(found.currency)
  const each = amount(found.amount, code)
  const cap = maybe(found.cap, amount, code)
  require(['once', 'month', 'read', 'window-day'].includes(found.per), 'form', 'an event that is none')
  require(cap === null || (found.per !== 'once' && cap >= each), 'form', 'a cap of once, or below one amount')
  return { each, cap, currency: code, per: found.per }
}

// 00:00 UTC of the same day so many months later, or of that month's last.
function later(ms, months) {
  const start = new Date(ms)
  const month = start.getUTCMonth() + months
  const last = new Date(Date.UTC(start.getUTCFullYear(), month + 1, 0)).getUTCDate()
  return Date.UTC(start.getUTCFullYear(), month, Math.min(start.getUTCDate(), last))
}

function* byTime(per, acceptedMs, untilMs) {
  if (acceptedMs === null || acceptedMs >= untilMs) return
  yield [acceptedMs, 1]
  for (let months = 1; per === 'month' && later(acceptedMs, months) < untilMs; months += 1) {
    yield [later(acceptedMs, months), 1]
  }
}

function* byRead(receipts) {
  const seen = new Set()
  for (const { body } of receipts) {
    const inv = hex(body.inv)
    if (!seen.has(inv)) yield [body.t_ms, 1]
    seen.add(inv)
  }
}

function* byDay(receipts) {
  const seen = new Set()
  for (const { body } of receipts) {
    const before = seen.size
    const begun = Math.min(body.to, Math.floor(body.t_ms / DAY_MS) + FIRST_DAY)
    for (let day = body.from; day <= begun; day += 1) seen.add(day)
    if (body.to === UNDATED) seen.add(UNDATED)
    if (seen.size > before) yield [body.t_ms, seen.size - before]
  }
}

// The receipts of a grant that count, in their order.
function counting(raws, dlg) {
  const found = []
  for (const raw of raws) {
    const receipt = parseReceipt(raw)
    signedBy(receipt, receipt.body.server)
    if (receipt.sigs.length === 2) signedBy(receipt, receipt.body.reader, 1)
    if (receipt.sigs.length === 2 && same(receipt.body.dlg, dlg) && receipt.body.pages > 0) found.push(receipt)
  }
  return found.sort((one, other) => one.body.t_ms - other.body.t_ms || compare(one.cid, other.cid))
}

export function account(bundle, raws, { acceptedMs, endMs, nowMs }) {
  const terms = bundle.terms.paid
  require(terms?.per !== undefined, 'form', 'nothing is paid under these terms')
  const untilMs = Math.min(endMs, nowMs + 1)
  const receipts = counting(raws, bundle.root.cid).filter(({ body }) => body.t_ms < untilMs)
  const timed = terms.per === 'once' || terms.per === 'month'
  const found = timed
    ? byTime(terms.per, acceptedMs, untilMs)
    : (terms.per === 'read' ? byRead : byDay)(receipts)
  const events = []
  let left = terms.cap ?? Number.MAX_SAFE_INTEGER
  for (const [ms, count] of found) {
    const owed = Math.min(count * terms.each, left)
    if (owed === 0) break
    left -= owed
    events.push([ms, count, owed])
  }
  return { currency: terms.currency, events, owed: events.reduce((sum, one) => sum + one[2], 0) }
}

// --- what is said of paying ---

function short(value, what, most) {
  require([...text(value, what)].length <= most, 'form', `${what} is too long`)
}

function grants(value, what, low) {
  return list(value, what, low, GRANTS_MAX).map((one) => cid(one, 'a grant'))
}

function iban(value) {
  require(/^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/.test(text(value, 'iban')), 'form', 'iban has another form')
  const digits = [...(value.slice(4) + value.slice(0, 4))].map((one) => Number.parseInt(one, 36)).join('')
  require(BigInt(digits) % 97n === 1n, 'form', 'iban does not check')
}

function creditor({ name, iban: number }) {
  require((name === null) === (number === null), 'form', 'a name and an IBAN, or neither')
  if (name === null) return
  short(name, 'name', NAME_CHARS_MAX)
  const visible = name.length > 0 && !/\p{C}|\p{Zl}|\p{Zp}| {2}|^ | $/u.test(name)
  require(visible, 'form', 'a name is one visible line')
  iban(number)
}

const WORDS = {
  payment: [
    ['amount', 'currency', 'note', 'nonce'],
    (body) => {
      amount(body.amount, currency(body.currency))
      short(body.note, 'note', NOTE_CHARS_MAX)
      data(body.nonce, 'nonce', 16)
    },
  ],
  'payment-word': [
    ['payment', 'word', 'reason'],
    (body) => {
      cid(body.payment, 'payment')
      require(['confirmed', 'disputed'].includes(body.word), 'form', 'neither confirmed nor disputed')
      short(body.reason, 'reason', NOTE_CHARS_MAX)
    },
  ],
  invoice: [
    ['currency', 'counted', 'paid', 'name', 'iban'],
    (body) => {
      currency(body.currency)
      const lines = list(body.counted, 'counted', 0, GRANTS_MAX).map((line) => tuple(line, 'a line', 3))
      for (const [, count, minor] of lines) {
        integer(count, 'a count', 0)
        integer(minor, 'an amount', 0)
      }
      const named = lines.map(([grant]) => hex(cid(grant, 'a grant')))
      require(new Set(named).size === named.length, 'form', 'a grant is counted twice')
      integer(body.paid, 'paid', 0)
      creditor(body)
    },
  ],
  waiver: [
    ['grants'],
    (body) => require(rises(grants(body.grants, 'grants', 1), compare), 'form', 'grants ascend'),
  ],
}

export function word(type, raw, by, to) {
  const [keys, check] = WORDS[type]
  const object = parseSigned(raw, type, ['v', 'by', 'to', ...keys, 't_ms'])
  const { body } = object
  keyOf(body.by)
  keyOf(body.to)
  integer(body.t_ms, 't_ms', 0)
  check(body)
  signedBy(object, body.by)
  require(body.by === by && body.to === to, 'audience', 'of or for another persona')
  return object
}

export function deletion(raw, bundle) {
  const object = parseSigned(raw, 'deletion', ['v', 'dlg', 'by', 'pages', 'left', 't_ms'])
  const { body } = object
  cid(body.dlg, 'dlg')
  keyOf(body.by)
  for (const name of ['pages', 'left', 't_ms']) integer(body[name], name, 0)
  signedBy(object, body.by)
  require(same(body.dlg, bundle.dlg.cid), 'subject', 'of another grant')
  require(body.by === bundle.dlg.aud, 'audience', 'by another than its reader')
  return object
}
