"""DeepFM in plain Keras on TensorFlow, an Embedding for each field, trained by `compile` and `fit` on arrays."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf
from keras import layers, ops

from benchmarks.click_training import BATCH, Learner, Task, serve_training


def build(task: Task) -> Learner:
    """Keras' defaults for Adam and Adagrad, each at a learning rate of 1e-3."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(task.seed)
    model = deepfm(task)
    optimiser = "adam" if task.optimiser == "default" else task.optimiser
    model.compile(optimizer=optimiser, loss="binary_crossentropy")

    def fit(numbers_nN, ids_nF, label_n):
        model.fit([numbers_nN, ids_nF], label_n, batch_size=BATCH, epochs=1, shuffle=True, verbose=0)

    return Learner(fit, lambda numbers_nN, ids_nF: model.predict([numbers_nN, ids_nF], batch_size=BATCH, verbose=0))


def deepfm(task: Task) -> keras.Model:
    """First-order weights, the products of all pairs, and the network, over the same inputs."""
    numbers = keras.Input((task.numbers,), name="numbers")
    ids = keras.Input((len(task.cardinalities),), dtype="int32", name="ids")
    vectors, weights = [], []
    for place, size in enumerate(task.cardinalities):
        column = ids[:, place]
        vectors.append(layers.Embedding(size, task.dim)(column))
        weights.append(layers.Embedding(size, 1)(column))
    stacked = ops.stack(vectors, axis=1)
    square_of_sum = ops.square(ops.sum(stacked, axis=1))
    sum_of_squares = ops.sum(ops.square(stacked), axis=1)
    pairs = 0.5 * ops.sum(square_of_sum - sum_of_squares, axis=1, keepdims=True)
    deep = layers.Concatenate()([*vectors, numbers])
    for width in task.hidden:
        deep = layers.Dense(width, activation="relu")(deep)
    logit = layers.Add()([layers.Dense(1)(deep), layers.Dense(1)(numbers), pairs, *weights])
    return keras.Model([numbers, ids], layers.Activation("sigmoid")(logit))


if __name__ == "__main__":
    serve_training(build, "keras", "tensorflow-cpu")
