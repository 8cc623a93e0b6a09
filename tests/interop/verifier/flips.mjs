// That the verifier can fail: one hexadecimal digit of a file is changed, and a case must notice.
//
//   node tests/interop/verifier/flips.mjs VECTORS SEED SAMPLES -> {"tried": n, "unnoticed": ["file, case, place"]}
//
// In every file, SAMPLES digits in what its cases take, share and give; `put` of the faults is left out,
// since what is wrong there already may well be wrong in another way.

import { load, holds } from './vectors.mjs'

const HEX = /^[0-9a-f]{16,}$/

// mulberry32: the same samples for a seed everywhere.
function random(seed) {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

// X25519 ignores five bits of a secret: a changed one may well be the same.
const CLAMPED = 'reader_secret'

// Every byte string below a value: [holder, key, place].
function* strings(value, place) {
  if (value === null || typeof value !== 'object') return
  for (const key of Object.keys(value)) {
    if (key === CLAMPED) continue
    const inner = value[key]
    if (typeof inner === 'string' && HEX.test(inner)) yield [value, key, `${place}.${key}`]
    else yield* strings(inner, `${place}.${key}`)
  }
}

const uses = (one, name) => JSON.stringify(one.input).includes(`{"shared":"${name}"}`)

function places(file) {
  const found = []
  for (const one of file.cases) for (const at of strings(one, one.name)) found.push([at, [one]])
  for (const name of Object.keys(file.shared)) {
    const users = file.cases.filter((one) => uses(one, name)).slice(0, 1)
    for (const at of strings(file.shared[name], name)) found.push([at, users])
  }
  return found
}

function main([folder, seed, samples]) {
  const { files, shared } = load(folder)
  const pick = random(Number(seed))
  const report = { tried: 0, unnoticed: [] }
  for (const [name, file] of files) {
    const all = places(file)
    for (let n = 0; n < Number(samples); n++) {
      const [[holder, key, place], users] = all[pick(all.length)]
      const sound = holder[key]
      const at = pick(sound.length)
      const digit = (Number.parseInt(sound[at], 16) ^ (1 << pick(4))).toString(16)
      holder[key] = sound.slice(0, at) + digit + sound.slice(at + 1)
      report.tried += 1
      if (users.every((one) => holds(one, shared) === null)) report.unnoticed.push(`${name}, ${place}, digit ${at}`)
      holder[key] = sound
    }
  }
  process.stdout.write(`${JSON.stringify(report)}\n`)
  return report.unnoticed.length === 0 ? 0 : 1
}

process.exitCode = main(process.argv.slice(2))
