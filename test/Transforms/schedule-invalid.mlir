// RUN: norma-opt %s --norma-schedule --split-input-file --verify-diagnostics

// A description that no processor has.

// expected-error @+1 {{norma.vector_bits is 0 : i64, expected a power of two from 64 to 2048}}
module attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 0 : i64>>} {
}

// -----

// expected-error @+1 {{norma.vector_bits is 192 : i32, expected a power of two from 64 to 2048}}
module attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 192 : i32>>} {
}

// -----

// expected-error @+1 {{norma.l1_bytes is "many", expected an integer from 1024 to 1048576}}
module attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.l1_bytes" = "many">>} {
}

// -----

// expected-error @+1 {{norma.vector_registers is 18446744073709551616 : i128, expected an integer from 1 to 1024}}
module attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_registers" = 18446744073709551616 : i128>>} {
}

// -----

// expected-error @+1 {{norma.read_streams is 0 : i64, expected an integer from 1 to 64}}
module attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.read_streams" = 0 : i64>>} {
}
