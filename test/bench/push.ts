import { mkdirSync } from 'node:fs'
import path from 'node:path'

import { startDelayed } from './delayed.ts'
import { median, roundsOf } from './load.ts'
import { closureOf, timed } from './nix-closure.ts'
import type { Row } from './run.ts'
import { runDepot, startDepot } from './servers.ts'

const ROUNDS = 3
const DELAY_MS = 20

/**
 * What users wait for who push a closure over a line: 200 paths, 100 MB, of which 150 have some kilobytes. `nix copy` compresses in the way
 * that takes it least time here.
 */
export async function push(dir: string): Promise<readonly Row[]> {
  mkdirSync(dir, { recursive: true })
  const closure = await closureOf(dir, EXPRESSION)
  const seconds = { nix: [] as number[], depot: [] as number[], again: [] as number[] }
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    const fresh = async (name: string, work: (url: string) => Promise<void>): Promise<void> => {
      await using depot = await startDepot(path.join(dir, `${name}-${round}`, 'data'))
      await using line = await startDelayed(depot.url, DELAY_MS)
      await work(line.url)
    }
    await fresh('nix', async (url) => void seconds.nix.push(await closure.push(`${url}/nix?compression=none`)))
    await fresh('depot', async (url) => {
      const send = (): Promise<number> =>
        timed(() => runDepot(['nix', 'push', url, '--nix-store', closure.root, closure.top]))
      seconds.depot.push(await send())
      seconds.again.push(await send())
    })
  }
  const [nix, depot, again] = [median(seconds.nix), median(seconds.depot), median(seconds.again)]
  const told = `${DELAY_MS} ms away`
  return [
    {
      name: `\`depot nix push\` of 200 paths, 100 MB, to a depot ${told}`,
      ours: `${depot.toFixed(2)} s`,
      peer: `\`nix copy\` ${nix.toFixed(2)} s`,
      ratio: nix / depot,
      target: '>= 5',
      met: nix / depot >= 5,
    },
    {
      name: 'the same once more',
      ours: `${again.toFixed(2)} s`,
      peer: '',
      ratio: undefined,
      target: '< 1 s',
      met: again < 1,
    },
  ]
}

const EXPRESSION = `let
  mk = i: derivation {
    name = "pkg\${toString i}-1.0"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
    deps = map (j: builtins.elemAt all j) (builtins.filter (j: j >= 0 && j < i) [ (i / 2) (i - 7) ]) ++ (if i == 199 then all' else []);
    args = [ "-c" ''
      mkdir -p $out/bin; echo $deps > $out/refs; seq 1 1000 | sed "s/^/$name/" > $out/text
      head -c \${toString (if i / 20 * 20 == i then 7500000 else if i / 4 * 4 == i then 450000 else 12000)} /dev/urandom > $out/bin/program
    '' ];
  };
  all = builtins.genList mk 200;
  all' = builtins.genList (builtins.elemAt all) 199;
in builtins.elemAt all 199`
