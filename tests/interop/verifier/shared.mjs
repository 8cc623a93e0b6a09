// Shared records: versions of two copies, what was told, and proof files.

import { data, exactly, flag, integer, isMap, list, text, tuple } from './body.mjs'
import { hex, same } from './bytes.mjs'
import { decode, encode } from './cbor.mjs'
import { schemaNamed } from './columns.mjs'
import { label } from './digest.mjs'
import { inception, keyOf, parseSigned, signedBy, succession } from './identity.mjs'
import { refuse, require } from './refused.mjs'
import { parseStatement, recordHolds } from './statement.mjs'
import { path } from './tree_of_days.mjs'

const KEYS = ['v', 'by', 'to', 'path', 'schema', 'id', 'n', 'prev', 'seen', 'word', 'record', 'reason', 't_ms']
const WORDS = ['proposed', 'accepted', 'disputed', 'withdrawn']
const VERSIONS_MAX = 128
const RECORD_BYTES_MAX = 16_384
const REASON_CHARS_MAX = 1_000
const LINE_STEPS_MAX = 16
const SCALE_MAX = 18
const I64 = [-(2n ** 63n), 2n ** 63n - 1n]

const utf8 = (value) => Buffer.byteLength(value, 'utf8')
const alike = (one, other) => same(encode(one), encode(other))
const isCid = (value) => data(value, 'a CID', 36)
const maybeCid = (value) => (value === null ? null : isCid(value))

const whole = (value, low, high, what) => {
  const big = typeof value === 'bigint' || Number.isInteger(value)
  require(big && BigInt(value) >= BigInt(low) && BigInt(value) <= BigInt(high), 'form', `${what} is out of its bounds`)
}

const READ = {
  str: (value, { low, high }, what) => {
    const size = utf8(text(value, what))
    require(size >= low && size <= high, 'form', `${what} is out of its bounds`)
  },
  i16: (value, { low, high }, what) => whole(value, low, high, what),
  u32: (value, { low, high }, what) => whole(value, low, high, what),
  d64: (value, { low, high }, what) => whole(value, low, high, what),
  dec: (value, _, what) => {
    const [mantissa, scale] = tuple(value, what, 2)
    whole(mantissa, ...I64, what)
    whole(scale, 0, SCALE_MAX, what)
  },
}

function checkRecord(schema, record, id) {
  exactly(record, 'a record', Object.keys(schema.fields))
  for (const [name, field] of Object.entries(schema.fields)) {
    if (record[name] === null) require(field.optional === true, 'form', `${name} is absent`)
    else READ[field.dtype](record[name], field, name)
  }
  require(record[nameOf(schema)] === id, 'form', 'a record has another name than its version')
  require(encode(record).length <= RECORD_BYTES_MAX, 'form', 'a record is too large')
}

const nameOf = (schema) => ('id' in schema.fields ? 'id' : 'time')

function checkId(schema, id) {
  if (nameOf(schema) === 'id') {
    require(utf8(text(id, 'id')) >= 1, 'form', 'id is not empty')
    return
  }
  integer(id, 'id')
}

// A view says so in its last part, before whose it is.
const VIEW = /\/view-(?:daily|monthly|undated)-[a-z0-9-]{1,19}(?:\/p[1-9][0-9]?(?:-p[1-9][0-9]?){0,7})?$/

function checkPath(value) {
  require(!VIEW.test(path(value)), 'form', 'a view is not shared')
}

export function version(raw) {
  const object = parseSigned(raw, 'shared-version', KEYS)
  const { body } = object
  keyOf(body.by)
  keyOf(body.to)
  require(body.by !== body.to, 'form', 'said to oneself')
  checkPath(body.path)
  const schema = schemaNamed(text(body.schema, 'schema'))
  checkId(schema, body.id)
  integer(body.n, 'n', 0, VERSIONS_MAX - 1)
  maybeCid(body.prev)
  maybeCid(body.seen)
  require(WORDS.includes(body.word), 'form', 'no such word')
  if (body.record !== null) checkRecord(schema, body.record, body.id)
  require([...text(body.reason, 'reason')].length <= REASON_CHARS_MAX, 'form', 'a reason is too long')
  integer(body.t_ms, 't_ms', 0)
  signedBy(object, body.by)
  return { ...object, name: encode([body.path, body.schema, body.id]) }
}

export function told(raw) {
  const [signed, record, proof] = tuple(decode(raw), 'told', 3)
  const statement = parseStatement(data(signed, 'a statement'))
  require(isMap(record), 'form', 'a record is a map')
  recordHolds(statement, record, encode(proof))
  const { body, schema } = statement
  checkPath(body.path)
  const id = record[nameOf(schema)]
  checkId(schema, id)
  checkRecord(schema, record, id)
  return { raw, statement, record, src: body.src, sub: body.sub, name: encode([body.path, body.schema, id]) }
}

// --- two copies -----------------------------------------------------------------------------------

const NEXT = {
  held: { propose: 'proposed', follow: 'settled', keep: 'held', taken: 'settled' },
  proposed: {
    propose: 'proposed', withdraw: 'held', follow: 'settled', keep: 'proposed', taken: 'settled', contested: 'disputed',
  },
  disputed: {
    propose: 'proposed', withdraw: 'held', follow: 'settled', keep: 'disputed', taken: 'settled', contested: 'disputed',
  },
  settled: { propose: 'proposed', follow: 'settled', keep: 'settled', taken: 'settled' },
}
const OWN = { proposed: 'propose', withdrawn: 'withdraw', accepted: 'follow', disputed: 'keep' }
const ANSWER = { accepted: 'taken', disputed: 'contested' }

function moved(copy, event) {
  const state = NEXT[copy.state][event] ?? copy.state
  return { ...copy, state, ground: state === 'held' || state === 'settled' ? copy.record : copy.ground }
}

class Copies {
  constructor(said, sideOf) {
    this.told = said
    this.side = sideOf
    this.versions = []
  }

  of(side) {
    return this.versions.filter(({ body }) => this.side(body.by) === side)
  }

  head(side) {
    return this.of(side).at(-1) ?? null
  }

  answers(one) {
    const side = this.side(one.body.by)
    return this.versions.filter(
      ({ body }) => this.side(body.by) !== side && body.seen !== null && body.word in ANSWER && same(body.seen, one.cid),
    )
  }

  copy(side) {
    const source = this.told !== null && this.side(this.told.src) === side
    const record = source ? this.told.record : null
    let copy = { state: 'held', record, ground: record, said: source }
    for (const one of this.of(side)) {
      copy = moved({ ...copy, record: one.body.record, said: true }, OWN[one.body.word])
      for (const answer of this.answers(one)) copy = moved(copy, ANSWER[answer.body.word])
    }
    return copy
  }

  // Whether `one` may follow all that was said before it.
  next(one) {
    const { body } = one
    const side = this.side(body.by)
    const before = this.head(side)
    if (!alike(body.prev, before === null ? null : before.cid)) {
      const known = body.prev === null || this.of(side).some(({ cid }) => same(cid, body.prev))
      refuse(known ? 'replay' : 'shared', 'it does not follow the newest version of its copy')
    }
    require(before === null || body.n > before.body.n, 'replay', 'numbers rise')
    require(this.of(side).length < VERSIONS_MAX, 'shared', 'too many versions')
    const answered = this.seen(one, side)
    if (body.word in ANSWER) this.answer(one, answered, side)
    if (body.word === 'withdrawn') this.withdrawal(one, side)
    this.versions.push(one)
  }

  seen({ body }, side) {
    if (body.seen === null || (this.told !== null && same(body.seen, this.told.statement.cid))) return null
    const found = this.versions.find((one) => same(one.cid, body.seen) && this.side(one.body.by) !== side)
    return found ?? refuse('shared', 'it has seen what is not there')
  }

  answer({ body }, answered, side) {
    require(answered !== null, 'shared', 'it answers nothing')
    const given = this.answers(answered).map((one) => one.body.word)
    require(!given.includes('accepted'), 'replay', 'that was accepted, and for good')
    if (body.word === 'accepted') {
      require(alike(body.record, answered.body.record), 'shared', 'it accepts another record')
      return
    }
    require(answered.body.word === 'proposed', 'replay', 'nothing was proposed that it could dispute')
    const own = this.copy(side)
    require(!own.said || alike(body.record, own.record), 'shared', 'a dispute changes nothing')
  }

  withdrawal({ body }, side) {
    const own = this.copy(side)
    require('withdraw' in NEXT[own.state], 'replay', 'nothing is asked that could be withdrawn')
    if (alike(body.record, own.ground)) return
    const others = this.versions.filter((one) => this.side(one.body.by) !== side)
    const crossed = others.length > 0 && (body.seen === null || !same(others.at(-1).cid, body.seen))
    refuse(crossed ? 'replay' : 'shared', 'a withdrawal brings back something else')
  }
}

// --- proof files ----------------------------------------------------------------------------------

function personaLine(value) {
  const [begun, steps] = tuple(value, 'a line', 2)
  let present = inception(data(begun, 'an inception'))
  const dids = [present.did]
  for (const step of list(steps, 'steps', 1, LINE_STEPS_MAX)) {
    const [said, after] = tuple(step, 'a step', 2)
    const next = inception(data(after, 'an inception'))
    succession(data(said, 'a succession'), present, next)
    dids.push(next.did)
    present = next
  }
  require(new Set(dids).size === dids.length, 'form', 'a line comes back to one that was left')
  return dids
}

function sides(lines, used) {
  const first = new Map()
  for (const dids of lines) {
    require(used.has(dids[0]) && used.has(dids.at(-1)), 'form', 'more of a line than is needed')
    for (const did of dids) {
      require(!first.has(did), 'form', 'a persona is in two lines')
      first.set(did, dids[0])
    }
  }
  return (did) => first.get(did) ?? did
}

function heads(copies, versions) {
  const said = versions.map(({ body }) => copies.side(body.by))
  require(new Set(said).size === said.length, 'shared', 'two versions of a side, and nothing between')
  copies.versions.push(...versions)
  for (const { body } of versions) {
    const other = versions.find((one) => body.seen !== null && same(one.cid, body.seen))
    if (body.word !== 'accepted' || other === undefined) continue
    require(alike(body.record, other.body.record), 'shared', 'it accepts another record')
  }
}

function history(copies, versions, lines) {
  const places = new Map(lines.flatMap((dids) => dids.map((did, place) => [did, place])))
  for (const one of versions) {
    const before = copies.head(copies.side(one.body.by))
    const was = before === null ? 0 : (places.get(before.body.by) ?? 0)
    require(was <= (places.get(one.body.by) ?? 0), 'succession', 'signed by a persona that was followed before')
    copies.next(one)
  }
}

export function proof(raw) {
  const [kind, value] = tuple(decode(raw), 'a proof', 2)
  require(kind === label('shared-proof'), 'form', 'not a proof of a shared record')
  const body = exactly(value, 'a proof', ['v', 'whole', 'told', 'versions'], ['lines'])
  const versions = list(body.versions, 'versions', 1, 2 * VERSIONS_MAX).map((one) => version(data(one, 'a version')))
  const said = body.told === null ? null : told(data(body.told, 'told'))
  const lines = 'lines' in body ? list(body.lines, 'lines', 1, 2).map(personaLine) : []
  const used = new Set(versions.flatMap((one) => [one.body.by, one.body.to]))
  if (said !== null) used.add(said.src).add(said.sub)
  const copies = new Copies(said, sides(lines, used))
  const [{ name, body: first }] = versions
  const two = [first.by, first.to].map(copies.side)
  const between = (one, other) => new Set([copies.side(one), copies.side(other), ...two]).size === 2
  for (const one of versions) {
    require(between(one.body.by, one.body.to), 'subject', 'a version between others')
    require(copies.side(one.body.by) !== copies.side(one.body.to), 'subject', 'a version between others')
    require(same(one.name, name), 'subject', 'a version of another record')
  }
  if (said !== null) {
    require(same(said.name, name), 'subject', 'another record was told')
    require(between(said.src, said.sub), 'subject', 'told by or to another')
    require(copies.side(said.src) !== copies.side(said.sub), 'subject', 'told to oneself')
  }
  if (flag(body.whole, 'whole')) history(copies, versions, lines)
  else heads(copies, versions)
  return { copies, sides: two, whole: body.whole, lines, versions, told: said }
}

export const agree = ({ copies, sides: two }) => {
  const [one, other] = two.map((side) => copies.copy(side))
  return one.said && other.said && alike(one.record, other.record)
}

export const digest = (record) => (record === null ? null : hex(encode(record)))
