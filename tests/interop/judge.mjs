// What iso-ucan says of one token.
//
//   { now, kind, token, proofs: { CID: token } } -> null, or why not
//
// Tokens are base64. `kind` is "delegation" or "invocation". A proof is read when it is asked for.

import { verifier } from 'iso-signatures/verifiers/eddsa.js'
import { Resolver } from 'iso-signatures/verifiers/resolver.js'
import { Delegation } from 'iso-ucan/delegation'
import { Invocation } from 'iso-ucan/invocation'

export const verifierResolver = new Resolver({ ...verifier })
export const unpack = (text) => new Uint8Array(Buffer.from(text, 'base64'))

async function check({ now, kind, token, proofs }) {
  if (kind === 'delegation') {
    const delegation = await Delegation.from({ bytes: unpack(token), verifierResolver, now })
    await delegation.validate({ verifierResolver, now })
    return
  }
  const resolveProof = async (cid) => {
    const found = proofs[cid.toString()]
    if (found === undefined) throw new Error('proof not found')
    return Delegation.from({ bytes: unpack(found), verifierResolver, now })
  }
  await Invocation.from({ bytes: unpack(token), verifierResolver, resolveProof, now })
}

export async function judge(asked) {
  try {
    await check(asked)
    return null
  } catch (error) {
    return String(error?.message ?? error)
  }
}
