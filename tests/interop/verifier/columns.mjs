// Columns and records of a schema: a bijection, so every freedom that bytes would leave is refused.

import { data, exactly, tuple } from './body.mjs'
import { byText } from './bytes.mjs'
import { require } from './refused.mjs'

const DAY_MS = 86_400_000
const DAYS_BEFORE_1970 = 25_567
export const UNDATED = 65_535
export const ROWS_MAX = 32_768
const SCALE_MAX = 18

const words = (low, high) => ({ dtype: 'str', low, high })
const maybe = (field) => ({ ...field, optional: true })
const TIME = { dtype: 'd64', low: -2208988800000, high: 3453235199999 }
const OFFSET = { dtype: 'i16', low: -1080, high: 1080 }
const DEC = { dtype: 'dec' }

export const SCHEMAS = {
  'transaction/1': {
    bucket: 1024,
    leaf: 'record',
    fields: {
      id: words(1, 255), time: TIME, offset_min: OFFSET, amount: DEC, currency: words(1, 32),
      label: words(0, 1024), counterparty: maybe(words(0, 1024)), kind: words(0, 32),
    },
  },
  'account/1': {
    bucket: 1024,
    leaf: 'record',
    fields: {
      id: words(1, 255), time: TIME, offset_min: OFFSET, kind: words(0, 32), currency: words(1, 32),
      balance: maybe(DEC), balance_kind: maybe(words(0, 32)), iban: maybe(words(1, 34)),
      number: maybe(words(1, 64)), holder: maybe(words(0, 1024)), name: maybe(words(0, 1024)),
      institution: maybe(words(0, 1024)),
    },
  },
  'meter-reading/1': {
    bucket: 2048,
    leaf: 'page',
    fields: {
      time: TIME, offset_min: OFFSET, duration_s: { dtype: 'u32', low: 0, high: 126489600 },
      value: DEC, unit: words(1, 32), quality: maybe(words(0, 32)),
    },
  },
  'contact/1': {
    bucket: 4096,
    leaf: 'record',
    undated: true,
    fields: {
      id: words(1, 255), kind: words(0, 32), name: words(0, 1024), family: maybe(words(0, 1024)),
      given: maybe(words(0, 1024)), additional: maybe(words(0, 1024)), prefix: maybe(words(0, 1024)),
      suffix: maybe(words(0, 1024)), nickname: maybe(words(0, 1024)), organisation: maybe(words(0, 1024)),
      title: maybe(words(0, 1024)), role: maybe(words(0, 1024)), phones: maybe(words(0, 16384)),
      emails: maybe(words(0, 16384)), addresses: maybe(words(0, 16384)), urls: maybe(words(0, 16384)),
      messaging: maybe(words(0, 16384)), birthday: maybe(words(0, 1024)), anniversary: maybe(words(0, 1024)),
      categories: maybe(words(0, 1024)), note: maybe(words(0, 16384)), rev: maybe(words(0, 32)),
    },
  },
}

export function schemaNamed(name) {
  require(Object.hasOwn(SCHEMAS, name), 'form', 'there is no such schema')
  return SCHEMAS[name]
}

export const dayOf = (ms) => Math.floor(ms / DAY_MS) + DAYS_BEFORE_1970

const number = (big) => (Number.isSafeInteger(Number(big)) ? Number(big) : big)
const bad = (holds, sentence) => require(holds, 'columns', sentence)

const SIZED = { i16: [2, 'getInt16'], u32: [4, 'getUint32'] }

function sized(view, n, { dtype, low, high }) {
  const [size, get] = SIZED[dtype]
  bad(view.byteLength === n * size, 'a column has another length than its rows')
  return Array.from({ length: n }, (_, i) => {
    const value = view[get](i * size, true)
    bad(value >= low && value <= high, 'a number is out of its bounds')
    return value
  })
}

function differences(view, n, { low, high }) {
  bad(view.byteLength === n * 8, 'a column has another length than its rows')
  let sum = 0n
  return Array.from({ length: n }, (_, i) => {
    sum += view.getBigInt64(i * 8, true)
    bad(sum >= BigInt(low) && sum <= BigInt(high), 'a time is out of its bounds')
    return Number(sum)
  })
}

function texts(view, n, { low, high }) {
  const start = (n + 1) * 4
  bad(view.byteLength >= start, 'a column of text is too short for its offsets')
  const offsets = Array.from({ length: n + 1 }, (_, i) => view.getUint32(i * 4, true))
  bad(offsets[0] === 0 && offsets[n] === view.byteLength - start, 'the offsets do not span the text')
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  return Array.from({ length: n }, (_, i) => {
    const size = offsets[i + 1] - offsets[i]
    bad(size >= low && size <= high, 'a text is out of its bounds')
    try {
      return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + start + offsets[i], size))
    } catch {
      return bad(false, 'a text is not UTF-8')
    }
  })
}

function decimals(view, n) {
  bad(view.byteLength === n * 9, 'a column has another length than its rows')
  return Array.from({ length: n }, (_, i) => {
    const scale = view.getUint8(n * 8 + i)
    bad(scale <= SCALE_MAX, 'a scale is out of its bounds')
    return [number(view.getBigInt64(i * 8, true)), scale]
  })
}

const READ = { i16: sized, u32: sized, d64: differences, str: texts, dec: decimals }

function column(bytes, n, field) {
  let body = bytes
  let present = null
  if (field.optional) {
    const size = Math.ceil(n / 8)
    bad(bytes.length >= size, 'a bitmap is too short')
    present = Array.from({ length: size * 8 }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1)
    bad(present.slice(n).every((bit) => bit === 0), 'a bitmap says more rows than there are')
    body = bytes.subarray(size)
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  if (present === null) return READ[field.dtype](view, n, field)
  const rows = present.slice(0, n)
  const values = READ[field.dtype](view, rows.filter((bit) => bit === 1).length, field)
  return rows.map((bit) => (bit === 1 ? values.shift() : null))
}

// How many rows, where no count stands beside the columns: the first column of fixed width tells.
export function countOf(schema, columns) {
  const of = (name) => data(tuple(columns[name], 'a column', 2)[1], 'a column')
  if (!schema.undated) return of('time').length / 8
  const ids = of('id')
  for (let n = 0; (n + 1) * 4 <= ids.length; n++) {
    const view = new DataView(ids.buffer, ids.byteOffset, ids.byteLength)
    if (view.getUint32(n * 4, true) === ids.length - (n + 1) * 4) return n
  }
  return bad(false, 'no number of rows fits the ids')
}

const byPlace = (schema) => (a, b) => (schema.undated ? 0 : a.time - b.time) || byText(a.id ?? '', b.id ?? '')

// Columns as records: maps of every field of the schema, all of day `d`.
export function records(name, value, n, d) {
  const schema = schemaNamed(name)
  const columns = exactly(value, 'columns', Object.keys(schema.fields))
  const count = n ?? countOf(schema, columns)
  bad(Number.isInteger(count) && count >= 0 && count <= ROWS_MAX, 'there are too many rows')
  const cells = {}
  for (const [field, kind] of Object.entries(schema.fields)) {
    const [dtype, bytes] = tuple(columns[field], 'a column', 2)
    bad(dtype === (kind.optional ? '?' : '') + kind.dtype, 'a column is of another type')
    cells[field] = column(data(bytes, 'a column'), count, kind)
  }
  const rows = Array.from({ length: count }, (_, i) =>
    Object.fromEntries(Object.keys(schema.fields).map((field) => [field, cells[field][i]])),
  )
  const order = byPlace(schema)
  bad(rows.every((row, i) => i === 0 || order(rows[i - 1], row) < 0), 'rows do not ascend strictly')
  if (schema.undated) require(d === UNDATED, 'day', 'undated records stand on another day')
  else require(rows.every((row) => dayOf(row.time) === d), 'day', 'a row is of another day')
  return rows
}
