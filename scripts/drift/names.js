'use strict';

/** Names, each with the places where it was seen. */
class Names {
  #places = new Map();

  add(name, place) {
    if (!this.#places.has(name)) this.#places.set(name, new Set());
    this.#places.get(name).add(place);
  }

  has(name) {
    return this.#places.has(name);
  }

  list() {
    return [...this.#places.keys()].sort();
  }

  places(name) {
    return [...this.#places.get(name)];
  }
}

module.exports = { Names };
