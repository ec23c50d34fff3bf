/**
 * The float student: which tensors a `StudentSpec` has, and its forward pass as a graph.
 *
 * Names and shapes of the tensors (`s` counts stages, `l` the layers of a stage, both from 0):
 *
 *     conv       stage{s}.layer{l}.weight               [filters, inChannels, kernel]
 *                stage{s}.layer{l}.normalise.*          [filters]
 *     separable  stage{s}.layer{l}.depthwise.weight     [inChannels, kernel]
 *                stage{s}.layer{l}.depthwise.normalise.*  [inChannels]
 *                stage{s}.layer{l}.pointwise.weight     [filters, inChannels]
 *                stage{s}.layer{l}.pointwise.normalise.*  [filters]
 *     gru        stage{s}.layer{l}.input.weight         [3 * hidden, patchSamples * channels]
 *                stage{s}.layer{l}.input.bias           [3 * hidden]
 *                stage{s}.layer{l}.state.weight         [3 * hidden, hidden]
 *                stage{s}.layer{l}.state.bias           [3 * hidden]
 *     exit       stage{s}.exit.hidden.weight            [hidden, features]      (where hidden > 0)
 *                stage{s}.exit.hidden.bias              [hidden]
 *                stage{s}.exit.logits.weight            [classes, hidden or features]
 *                stage{s}.exit.logits.bias              [classes]
 *
 * `normalise.*` is `scale`, `shift`, `mean` and `variance`: y = (x - mean) / sqrt(variance +
 * NORMALISE_EPSILON) * scale + shift, then ReLU. Convolutions have no bias of their own. A GRU is
 * PyTorch's (gate rows in the order reset, update, new; h' = (1 - z) n + z h with
 * n = tanh(W_n x + b_in + r (U_n h + b_hn))), starts from a state of zeros, reads a patch as
 * `[time][channel]`, stands alone in its stage and reads the window itself. A layer that `continues`
 * has no tensors of its own: it uses those of the layer it goes on from, and starts at the patch
 * where that one stopped. The network's input is in g: int8 steps times `inputMilligPerStep` / 1000.
 */

/** Added to the variance before its square root, in every normalisation. */
export const NORMALISE_EPSILON = 1e-5;
