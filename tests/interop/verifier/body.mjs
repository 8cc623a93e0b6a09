// Maps with exactly the keys given; `v` is looked at before the others.

import { isBytes } from './bytes.mjs'
import { isLink } from './cbor.mjs'
import { refuse, require } from './refused.mjs'

export function isMap(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && !isBytes(value) && !isLink(value)
}

export function exactly(value, what, keys, optional = []) {
  require(isMap(value), 'form', `${what} is a map`)
  if (keys.includes('v')) {
    require('v' in value, 'form', `${what} says no version`)
    require(value.v === 1, Number.isInteger(value.v) ? 'version' : 'form', `${what} is of another version`)
  }
  for (const key of keys) require(key in value, 'form', `${what} has no ${key}`)
  for (const key of Object.keys(value)) {
    require(keys.includes(key) || optional.includes(key), 'form', `${what} has a key ${key}`)
  }
  return value
}

export function text(value, what) {
  require(typeof value === 'string', 'form', `${what} is text`)
  return value
}

export function integer(value, what, low = Number.MIN_SAFE_INTEGER, high = Number.MAX_SAFE_INTEGER) {
  require(Number.isInteger(value) && value >= low && value <= high, 'form', `${what} is an integer of its range`)
  return value
}

export function data(value, what, length) {
  require(isBytes(value), 'form', `${what} is bytes`)
  require(length === undefined || value.length === length, 'form', `${what} has ${length} bytes`)
  return value
}

export function flag(value, what) {
  require(typeof value === 'boolean', 'form', `${what} is true or false`)
  return value
}

export function list(value, what, low = 0, high = 80_000) {
  require(Array.isArray(value), 'form', `${what} is a list`)
  require(value.length >= low && value.length <= high, 'form', `${what} has ${low} to ${high} items`)
  return value
}

export function tuple(value, what, length) {
  return list(value, what, length, length)
}

export const maybe = (value, read, ...rest) => (value === null ? null : read(value, ...rest))

export function day(value, what) {
  return integer(value, what, 0, 65_535)
}

export function days(first, last, what) {
  day(first, what)
  day(last, what)
  require(first <= last, 'form', `${what} run backwards`)
  require(last < 65_535 || first === 65_535, 'form', `${what} run into the place of undated records`)
  return [first, last]
}

export function never(what) {
  refuse('form', what)
}
