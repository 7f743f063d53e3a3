import { UserError } from "./user_error.js";

/** The values of a JSON object, each checked as it is read; a `UserError` names the key. */
export class Fields {
  #values;

  constructor(values) {
    if (typeof values !== "object" || values === null || Array.isArray(values)) {
      throw new UserError("it holds something else than an object");
    }
    this.#values = values;
  }

  keys() {
    return Object.keys(this.#values);
  }

  has(key) {
    return Object.hasOwn(this.#values, key);
  }

  isNull(key) {
    return this.#get(key) === null;
  }

  text(key) {
    return this.#typed(key, typeof this.#get(key) === "string");
  }

  flag(key) {
    return this.#typed(key, typeof this.#get(key) === "boolean");
  }

  number(key) {
    return this.#typed(key, Number.isFinite(this.#get(key)));
  }

  integer(key, least, most) {
    const value = this.#get(key);
    return this.#typed(key, Number.isInteger(value) && value >= least && value <= most);
  }

  /** @returns {number[]} */
  integers(key, least, most) {
    const good = (value) => Number.isInteger(value) && value >= least && value <= most;
    const values = this.#get(key);
    return [...this.#typed(key, Array.isArray(values) && values.every(good))];
  }

  /** A number of each of `count`, or one for all of them. @returns {number[]} */
  numbers(key, count) {
    const value = this.#get(key);
    const values = Array.isArray(value) ? value : Array(count).fill(value);
    this.#typed(key, values.length === count && values.every(Number.isFinite));
    return values;
  }

  object(key) {
    return new Fields(this.#get(key));
  }

  #get(key) {
    if (!this.has(key)) {
      throw new UserError(`it has no ${key}: export the model again`);
    }
    return this.#values[key];
  }

  #typed(key, good) {
    if (!good) {
      throw new UserError(`its ${key} is ${JSON.stringify(this.#values[key])}: export the model again`);
    }
    return this.#values[key];
  }
}
