// Asks a server for requests over real WebSockets, at their times or as fast as it answers, and keeps time of every token.

import type { Routing } from "../../proto/api.ts";
import { MoloraClient } from "../../proto/client.ts";
import { Random } from "./random.ts";
import type { Arrival } from "./workload.ts";

/** One request and what came of it. Times in milliseconds of performance.now(). */
export interface Played {
  arrival: Arrival;
  asked: number;
  /** When each token came. */
  tokens: number[];
  ended: number;
  /** The code it failed with, if it did. */
  failure?: string;
}

export interface PlayerOptions {
  url: string;
  /** How a request's adapter is named. */
  routing: (adapter: number) => Routing;
  /** Sockets that the requests share. Default 4. */
  sockets?: number;
}

/** No vocabulary gives these ids to special tokens. */
const IDS = [20, 4000] as const;

export class Player {
  readonly #clients: MoloraClient[];
  readonly #routing: PlayerOptions["routing"];
  #asked = 0;

  private constructor(clients: MoloraClient[], routing: PlayerOptions["routing"]) {
    this.#clients = clients;
    this.#routing = routing;
  }

  static async connect({ url, routing, sockets = 4 }: PlayerOptions): Promise<Player> {
    const clients = await Promise.all(Array.from({ length: sockets }, () => MoloraClient.connect(url)));
    return new Player(clients, routing);
  }

  /** Each at its time, whatever became of those before it. */
  open(arrivals: readonly Arrival[]): Promise<Played[]> {
    const begun = performance.now();
    return Promise.all(
      arrivals.map(async (arrival) => {
        await new Promise((resolve) => setTimeout(resolve, begun + 1000 * arrival.at - performance.now()));
        return this.ask(arrival);
      }),
    );
  }

  /** So many at a time, the next as soon as one has ended. */
  async closed(arrivals: readonly Arrival[], clients: number): Promise<Played[]> {
    const left = [...arrivals].reverse();
    const played: Played[] = [];
    const client = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) played.push(await this.ask(next));
    };
    await Promise.all(Array.from({ length: clients }, client));
    return played;
  }

  async ask(arrival: Arrival): Promise<Played> {
    const { adapter, promptTokens, outputTokens } = arrival;
    const random = new Random(0x5eed + this.#asked++);
    const ids = Array.from({ length: promptTokens }, () => random.integer(IDS));
    const client = this.#clients[this.#asked % this.#clients.length];
    const played: Played = { arrival, asked: performance.now(), tokens: [], ended: 0 };
    try {
      const request = { ids, maxTokens: outputTokens, ignoreEos: true, ...this.#routing(adapter) };
      for await (const event of client.generate(request)) {
        if (event.type === "token") played.tokens.push(performance.now());
      }
    } catch (error) {
      played.failure = (error as { code?: string }).code ?? String(error);
    }
    played.ended = performance.now();
    return played;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}
