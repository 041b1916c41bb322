/**
 * Netron's colour categories for PyTorch's modules and operators.
 */

const MODULES = [
    ['attention', /Attention$|Attn$/],
    ['normalization', /Norm(\dd)?$|^(LocalResponse|Spectral).*|RMSNorm/],
    ['dropout', /Dropout(\dd)?$|^(DropPath|StochasticDepth)$/],
    ['pool', /Pool(ing)?(\dd)?$/],
    ['activation', /(ReLU6?|GELU|GELUActivation|SiLU|SiLUActivation|ELU|CELU|SELU|Sigmoid|LogSigmoid|Tanh|Softmax(2d)?|LogSoftmax|Softmin|Softplus|Softsign|Hardswish|Hardsigmoid|Hardtanh|Hardshrink|Softshrink|Tanhshrink|Threshold|Mish|GLU|Activation)$/],
    ['quantization', /^(Quant|DeQuant|FakeQuantize|Quantize|DeQuantize)/],
    ['shape', /^(Flatten|Unflatten|PixelShuffle|PixelUnshuffle|Permute|ChannelShuffle)$/],
    ['data', /^(Upsample|UpsamplingNearest2d|UpsamplingBilinear2d)$/],
    ['tensor', /Pad\dd$|^(Fold|Unfold)$/],
    ['layer', /^(Lazy)?(Conv|ConvTranspose)\dd$|Linear$|^Conv1D$|^Bilinear$|Embedding(Bag)?$|^(LSTM|GRU|RNN)(Cell)?$/]
];

const OPERATORS = new Map(Object.entries({
    layer: 'linear bilinear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d matmul @ mm bmm mv dot addmm baddbmm einsum embedding embedding_bag lstm gru rnn_tanh rnn_relu',
    activation: 'relu relu_ relu6 gelu silu elu celu selu leaky_relu prelu rrelu sigmoid logsigmoid tanh softmax log_softmax softmin softplus softsign hardswish hardsigmoid hardtanh hardshrink softshrink tanhshrink threshold mish glu',
    pool: 'max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d fractional_max_pool2d fractional_max_pool3d',
    normalization: 'batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize',
    dropout: 'dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout stochastic_depth',
    shape: 'view reshape flatten unflatten permute transpose t T mT squeeze unsqueeze expand expand_as view_as contiguous movedim moveaxis swapaxes swapdims size shape pixel_shuffle pixel_unshuffle',
    tensor: 'cat concat concatenate stack hstack vstack split chunk tensor_split unbind […] […]= index_select index_copy gather scatter scatter_add pad repeat repeat_interleave tile roll flip narrow select where masked_fill masked_select take index_put unfold fold tril triu',
    transform: 'to type float half double bfloat16 int long bool clone copy_ detach type_as',
    data: 'arange zeros ones full empty rand randn tensor linspace eye zeros_like ones_like full_like rand_like randn_like empty_like new_zeros new_ones new_full new_empty interpolate upsample one_hot',
    quantization: 'quantize_per_tensor quantize_per_channel dequantize fake_quantize_per_tensor_affine fake_quantize_per_channel_affine int_repr',
    attention: 'scaled_dot_product_attention multi_head_attention_forward'
}).flatMap(([category, names]) => names.split(' ').map((name) => [name, category])));

/**
 * @param {{kind: string, type: string}} row
 * @param {boolean} opens Whether it opens in place.
 * @returns {string} One of Netron's words, or `module`, `custom`, `operator`, which the page colours itself.
 */
export function category(row, opens) {
    if (row.kind !== 'operator') {
        if (opens) {
            return 'module';
        }
        const found = MODULES.find(([, pattern]) => pattern.test(row.type));
        return found ? found[0] : 'custom';
    }
    return OPERATORS.get(row.type.split('.').pop()) || 'operator';
}
