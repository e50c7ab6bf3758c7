	.text
kernel:
	xorl	%eax, %eax
.LBB0_1:
	vmovups	(%rdi,%rax,4), %zmm0
	vaddps	64(%rsp), %zmm0, %zmm0          # 64-byte Folded Reload
	vmulps	128(%rsp,%rax,4), %zmm0, %zmm0
	vgatherdps	(%rsi,%zmm1), %zmm2 {%k1}
	vaddss	%xmm0, %xmm3, %xmm3
	callq	__truncsfbf2
	addq	$16, %rax
	cmpq	%rdx, %rax
	jl	.LBB0_1
	retq
