// Lines: a persona that follows another, step by step, and a log that follows another.

import { data, exactly, list, text, tuple } from './body.mjs'
import { same } from './bytes.mjs'
import { decode } from './cbor.mjs'
import { kdf } from './digest.mjs'
import { certificate, checkKey, inception, keyOf, parseSigned, succession, verify } from './identity.mjs'
import { require } from './refused.mjs'

const STEPS_MAX = 16
const STEP_BYTES_MAX = 1024
const LOG_STEPS_MAX = 64
const LOG_STEP_BYTES_MAX = 512

function small(value, what, most) {
  data(value, what)
  require(value.length <= most, 'form', `${what} is too large`)
  return value
}

// What a step says of itself; whether it was promised is held against the persona before it.
function readStep(value) {
  const [said, begun, k] = tuple(value, 'a step', 3)
  data(k, 'k', 32)
  const raw = small(said, 'a succession', STEP_BYTES_MAX)
  const { old, new: next } = parseSigned(raw, 'succession', ['v', 'old', 'new']).body
  keyOf(old)
  keyOf(next)
  return { raw, old, next, begun: inception(small(begun, 'an inception', STEP_BYTES_MAX)), k }
}

function readSteps(values) {
  const steps = list(values, 'steps', 1, STEPS_MAX).map(readStep)
  steps.slice(1).forEach((step, i) => require(step.old === steps[i].next, 'form', 'steps do not go on'))
  const all = [steps[0].old, ...steps.map((step) => step.next)]
  require(new Set(all).size === all.length, 'form', 'a line comes back to one that was left')
  return steps
}

// `held`: the inception that is held of the peer; what is held after it has said who it is now.
export function line(held, key, args, { to, tMs }) {
  const said = exactly(decode(args), 'args', ['v', 'to', 'steps', 'cert'])
  text(said.to, 'to')
  require(said.to === to, 'audience', 'said to another persona')
  const steps = readSteps(said.steps)
  const last = steps[steps.length - 1].next
  const cert = data(said.cert, 'cert')
  const { device } = parseSigned(cert, 'certificate', ['v', 'persona', 'device', 'cmds', 'exp']).body
  certificate(cert, { persona: last, device, cmd: null, tMs })
  let present = inception(held)
  if (present.did !== last) {
    const from = steps.findIndex((step) => step.old === present.did)
    require(from >= 0, 'audience', 'the line of another persona')
    for (const step of steps.slice(from)) {
      succession(step.raw, present, step.begun)
      present = step.begun
      key = kdf(key, 'pair-next', step.k, present.cid)
    }
  }
  return { present, key }
}

// From which of the known logs do these successions lead to `log`?
export function logBefore(known, log, raws) {
  const after = list(raws, 'successions', 0, LOG_STEPS_MAX).map((raw) => {
    const object = parseSigned(small(raw, 'a succession', LOG_STEP_BYTES_MAX), 'log-succession', ['v', 'old', 'new'], [2])
    const { old, new: next } = object.body
    checkKey(data(old, 'old', 32), 'old')
    checkKey(data(next, 'new', 32), 'new')
    require(!same(old, next), 'form', 'a log follows itself')
    verify(old, object.sigs[0], object.message, 'the log that is followed')
    verify(next, object.sigs[1], object.message, 'the log that follows')
    return { old, next }
  })
  for (const begin of known) {
    let at = begin
    for (let i = 0; i < after.length && at !== undefined; i++) {
      at = after.find(({ old }) => same(old, at))?.next
      if (at !== undefined && same(at, log)) return begin
    }
  }
  return require(false, 'succession', 'these do not lead to this log')
}
