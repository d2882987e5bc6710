// Filling a declared module tree with values: from a file, from recorded cases, or from its initial distributions.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nn/module.h"

namespace rein::nn {

// Everything that did not fit, in one report.
struct BindReport {
  std::vector<std::string> missing;     // declared, not in the source
  std::vector<std::string> unexpected;  // in the source, not declared (and not on the ignore list)
  std::vector<std::string> misshapen;   // "name: must have shape (…), got (…)"
  bool ok() const { return missing.empty() && unexpected.empty() && misshapen.empty(); }
  std::string text() const;  // several lines, grouped; long lists are cut with a count
};

// Named tensors from anywhere. Shapes are known without reading; read() converts to `dtype`.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual std::vector<std::string> names() const = 0;
  virtual Shape shape(const std::string& name) const = 0;  // throws when absent
  virtual bool has(const std::string& name) const = 0;
  virtual Tensor read(const std::string& name, DType dtype) const = 0;
  // Into memory that is there, of the tensor's shape and the wanted dtype. Sources that can do it without a copy in
  // between override this: loading a model then needs no memory but the weights'.
  virtual void read_into(const std::string& name, Tensor& out) const;
  virtual std::string describe() const = 0;  // for error texts: the file's name
};

// Tensors already in memory.
class MapSource final : public TensorSource {
 public:
  explicit MapSource(std::map<std::string, Tensor> tensors, std::string what = "memory");
  std::vector<std::string> names() const override;
  Shape shape(const std::string& name) const override;
  bool has(const std::string& name) const override;
  Tensor read(const std::string& name, DType dtype) const override;
  std::string describe() const override { return what_; }

 private:
  std::map<std::string, Tensor> tensors_;
  std::string what_;
};

// A value for a parameter in its FILE layout (Param::file_shape) -> its value in memory, and back.
Tensor to_memory_layout(const Param& param, const Tensor& file_value);
Tensor to_file_layout(const Param& param, const Tensor& memory_value);

// Sets param.value: a constant when frozen, else a trainable leaf. `file_value` has the file layout.
void set_value(Param& param, const Tensor& file_value);

// Binds each parameter under `root` from the tensor of the same name (in file layout) in `source`.
// Parameters for which `wanted(path)` is false are left alone; tensors for which `ignored(name)` is true are skipped.
// Binds nothing when the report is not ok.
BindReport bind(Module& root, const TensorSource& source, DType dtype,
                const std::function<bool(const std::string&)>& wanted = {},
                const std::function<bool(const std::string&)>& ignored = {});

// The weights of frozen linear layers, bound in f32, become bf16: half the memory, and products with bf16 operands and
// f32 sums (tensor/ops/matmul/gemm_bf16.h). All else stays as it is. Returns how many numbers were rounded.
std::int64_t round_frozen_products(Module& root);

// How CUDA makes the products of f32 weights under `root` from now on. bf16: of trained linear layers, others stay as
// they were.
void set_precision(Module& root, Precision precision);

// Moves every bound value to a device, as a new leaf: before an optimiser knows it, and before there are gradients.
void move_to(Module& root, Device device);

// Gives every unbound parameter its initial value, drawn from key.child(path).
void initialise(Module& root, RandomKey key, DType dtype);

// All values of parameters accepted by `wanted`, in file layout, by path, on the CPU.
std::map<std::string, Tensor> collect(Module& root,
                                      const std::function<bool(const std::string&, const Param&)>& wanted);

}  // namespace rein::nn
