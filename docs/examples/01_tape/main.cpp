// The tape by hand: two weights learn that the answer is 2 a - 3 b.
#include <cstdio>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/shape/reduce.h"
#include "tensor/random.h"

using namespace rein;

int main() {
  // Constants carry no gradient, parameters do. Rows of (a, b), and the answers that are wanted.
  const Variable inputs = constant(random_normal(RandomKey(1), {64, 2}, 0, 1));
  const Variable truth = constant(Tensor::from<float>({2, -3}, {1, 2}));
  const Variable wanted = linear(inputs, truth);  // nothing is recorded: no parameter is involved

  Variable weight = parameter(Tensor::zeros({1, 2}, DType::f32));
  for (int step = 0; step <= 40; ++step) {
    // Every operation on a parameter puts a node on the tape …
    const Variable error = sub(linear(inputs, weight), wanted);
    const Variable loss = mean(mul(error, error));
    // … and backward() runs the nodes from the last to the first, and frees them.
    backward(loss);

    float* w = weight.mutable_value().mutable_data<float>();
    for (int i = 0; i < 2; ++i) w[i] -= 0.1f * weight.grad().data<float>()[i];
    weight.clear_grad();  // gradients add up until they are cleared
    if (step % 10 == 0) std::printf("step %2d  loss %8.5f  weights %6.3f %6.3f\n", step, loss.value().item(), w[0], w[1]);
  }
  return weight.value().at(0) > 1.9 && weight.value().at(1) < -2.9 ? 0 : 1;
}
