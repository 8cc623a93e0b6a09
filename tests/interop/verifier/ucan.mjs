// The negative vectors of UCAN (tests/vectors/ucan) before the same reading of docs/spec.md.
//
//   node tests/interop/verifier/ucan.mjs tests/vectors/ucan/negative.json
//     -> {"accepted": [name], "refused": [[name, class]], "left": n}
//
// Kinds that ask about the state of a node are left to the program.

import { readFileSync } from 'node:fs'
import { Refused } from './refused.mjs'
import { parseDelegation, verifyChain } from './token.mjs'

const unpack = (text) => new Uint8Array(Buffer.from(text, 'base64'))

function judge(one, nowMs, device) {
  if (one.kind === 'delegation') parseDelegation(unpack(one.token))
  else verifyChain(unpack(one.token), (one.proofs ?? []).map(unpack), { nowMs, device })
}

function main([path]) {
  const file = JSON.parse(readFileSync(path, 'utf8'))
  const report = { accepted: [], refused: [], left: 0 }
  for (const one of [...file.controls, ...file.refused]) {
    if (!['delegation', 'invocation'].includes(one.kind)) {
      report.left += 1
      continue
    }
    try {
      judge(one, file.now_s * 1000, file.principals.device.did)
      report.accepted.push(one.name)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      report.refused.push([one.name, error.kind])
    }
  }
  process.stdout.write(`${JSON.stringify(report)}\n`)
}

main(process.argv.slice(2))
